"""What a chapter teaches, and whether one of its imports goes around it.

A chapter mirrors a definition, so that a reader's edit of the cell changes what the
chapter does. If something imported used the library's own copy of it, the edit would be
ignored without a word. `bypasses` follows every imported name through the package,
from definition to definition, and finds those that reach a taught one.
"""

import ast
import functools
from importlib.util import find_spec
from pathlib import Path

from chapter import course

PACKAGE = "course_utils"
# Checks of exercises compare with the library's original on purpose.
EXEMPT = f"{PACKAGE}.exercises"


def taught(chapter):
    """The (module, name) pairs that a chapter mirrors."""
    sources = [course(cell, "source") for cell in chapter.code_cells]
    return {tuple(source.split(":")) for source in sources if source}


def bypasses(chapter):
    """One line for every import of a chapter that goes around a taught name."""
    problems, names = [], taught(chapter)
    for cell in chapter.code_cells:
        for used in imports(cell.source):
            route = route_to(used, frozenset(names))
            if used[0].startswith(EXEMPT) or route is None:
                continue
            first, end = used[1] or used[0], route[-1][1]
            if len(route) == 1:
                reason = f"imports {end}, which this chapter teaches"
            else:
                way = " -> ".join(name or module for module, name in route)
                reason = f"imports {first}, which uses {end} ({way})"
            problems.append(
                f"{chapter.place(cell)} {reason}: a reader's edit of that cell would "
                "be ignored; take the taught definition as an argument"
            )
    return problems


def imports(source):
    """The (module, name) pairs that code uses from the package; no name: all of it."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # another check says so
        return set()
    modules, found = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PACKAGE:
                    bound = alias.asname or alias.name
                    modules[bound] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for module, name, bound in imported(node):
                if name is None:
                    modules[bound] = module
                else:
                    found.add((module, name))
    return found | attributes(tree, modules)


def imported(node):
    """(module, name, bound name) of what is imported; the name of a module is None."""
    if node.level or (node.module or "").partition(".")[0] != PACKAGE:
        return
    for alias in node.names:
        bound = alias.asname or alias.name
        inner = f"{node.module}.{alias.name}"
        if (node.module, alias.name) in definitions_of(node.module):
            yield node.module, alias.name, bound
        elif module_path(inner):
            yield inner, None, bound
        else:
            yield node.module, alias.name, bound


def attributes(tree, modules):
    """What code uses of modules it has imported: {bound name: module}."""
    found, explained = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module = modules.get(ast.unparse(node.value))
            if module:
                found.add((module, node.attr))
                explained |= {id(inner) for inner in ast.walk(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in explained:
            name = modules.get(node.id)
            if name:  # the module itself is handed on: all of it may be used
                found.add((name, None))
    return found


def route_to(start, goals):
    """The definitions from `start` to the first in `goals`; None where none leads."""
    seen, routes = {start}, [[start]]
    for route in routes:
        if route[-1] in goals:
            return route
        for used in uses(*route[-1]):
            if used not in seen:
                seen.add(used)
                routes.append([*route, used])
    return None


@functools.cache
def module_path(module):
    """The file of a module of the package, or None."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


@functools.cache
def module_tree(module):
    path = module_path(module)
    return ast.parse(path.read_text(encoding="utf-8")) if path else ast.parse("")


@functools.cache
def definitions_of(module):
    """{(module, name): node} of what a module defines at its top level."""
    found = {}
    for node in module_tree(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[module, node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            for name in ast.walk(node):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store):
                    found[module, name.id] = node
    return found


@functools.cache
def uses(module, name):
    """The (module, name) pairs that a definition of the package uses directly."""
    own = definitions_of(module)
    if name is None:
        return set(own)
    node = own.get((module, name))
    tree = module_tree(module)
    bound, modules = {}, {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.ImportFrom):
            for origin, inner, known in imported(statement):
                if inner is None:
                    modules[known] = origin
                else:
                    bound[known] = (origin, inner)
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.name.partition(".")[0] == PACKAGE:
                    modules[alias.asname or alias.name] = alias.name
    if node is None:  # a name that the module has imported itself
        return {bound[name]} if name in bound else set()
    names = free_names(node, frozenset())
    found = {(module, used) for used in names if (module, used) in own}
    found |= {bound[used] for used in names if used in bound}
    return (found | attributes(node, modules)) - {(module, name)}


def free_names(node, local):
    """The names that code takes from outside, defaults and bases included."""
    if isinstance(node, ast.Name):
        return {node.id} - local if isinstance(node.ctx, ast.Load) else set()
    inner = local
    outside = []
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        arguments = node.args
        outside = [*arguments.defaults, *arguments.kw_defaults]
        outside += getattr(node, "decorator_list", [])
        body = node.body if isinstance(node.body, list) else [node.body]
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        given += [arguments.vararg, arguments.kwarg]
        inner = local | {argument.arg for argument in given if argument}
        inner |= {name for part in body for name in assigned(part)}
    else:
        body = list(ast.iter_child_nodes(node))
        if isinstance(
            node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        ):
            inner = local | {name for part in node.generators for name in stored(part)}
    names = {name for part in outside if part for name in free_names(part, local)}
    return names | {name for part in body for name in free_names(part, inner)}


def assigned(node):
    """The names that a statement of a function binds in that function."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, ast.Lambda):
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    return {name for part in ast.iter_child_nodes(node) for name in assigned(part)}


def stored(node):
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }
