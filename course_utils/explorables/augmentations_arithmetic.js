// What augmentations make of an image of bytes { values, channels, height, width }: values
// channel after channel. Chance comes as a `luck`, numbers from 0 to 1 that stay the same
// while a strength changes. augmentations_numbers.py computes the same in NumPy.

const PARTNERS = 32;                                   // the streams of partners come later
const NUMBERS = 6;                                     // of a luck, before the noise

/** The chance of one draw: a partner, a flip, places to shift to and to erase, and normal
 *  numbers for `size` values, from pairs of uniform ones by Box and Muller. */
export function luckOf(stream, size) {
  const numbers = uniforms(stream, NUMBERS + 2 * Math.ceil(size / 2));
  const noise = new Float64Array(size);
  for (let i = 0; i < size; i++) {
    const pair = NUMBERS + i - i % 2;
    const radius = Math.sqrt(-2 * Math.log(1 - numbers[pair]));
    const turn = 2 * Math.PI * numbers[pair + 1];
    noise[i] = radius * (i % 2 ? Math.sin(turn) : Math.cos(turn));
  }
  const [partner, flip, down, across, row, column] = numbers;
  return { partner, flip, shift: [down, across], erase: [row, column], noise };
}

/** Half way between two whole numbers, to the even one, as PyTorch and NumPy round. */
export function roundEven(value) {
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 ? near - 1 : near;
}

/** The values after crop, flip, erasing and noise of the given strengths. */
export function augmented({ values, channels, height, width }, luck, { padding, flip, erase, noise }) {
  const result = new Uint8Array(values.length);
  const [down, across] = luck.shift.map((part) => Math.floor(part * (2 * padding + 1)) - padding);
  const mirrored = luck.flip < flip;
  const top = Math.floor(luck.erase[0] * height) - Math.floor(erase / 2);
  const left = Math.floor(luck.erase[1] * width) - Math.floor(erase / 2);
  for (let c = 0, n = 0; c < channels; c++)
    for (let r = 0; r < height; r++)
      for (let k = 0; k < width; k++, n++) {
        const [row, column] = [r + down, (mirrored ? width - 1 - k : k) + across];
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        const erased = r >= top && r < top + erase && k >= left && k < left + erase;
        const value = inside && !erased ? values[(c * height + row) * width + column] : 0;
        result[n] = Math.min(255, Math.max(0, roundEven(value + noise * luck.noise[n])));
      }
  return result;
}

/** The number of another image than the chosen one, of `count` images. */
export const partnerOf = (chosen, luck, count) => (chosen + 1 + Math.floor(luck.partner * (count - 1))) % count;

/** Values of an image, with those of its partner blended in. */
export const blend = (own, other, weight) => own.map((value, i) => Math.floor(value + weight * (other[i] - value) + 0.5));

/** Draw k of an image: its values, whether it is mirrored, and its partner, if it has one.
 *  `luck(stream)` finds the chance of a stream. */
export function drawOf(images, chosen, seed, k, settings, luck) {
  const chance = luck(2 * PARTNERS * seed + k);
  const own = augmented(images[chosen], chance, settings);
  const flipped = chance.flip < settings.flip;
  if (!settings.mixup) return { values: own, flipped, partner: null };
  const partner = partnerOf(chosen, chance, images.length);
  const other = augmented(images[partner], luck(2 * PARTNERS * seed + k + PARTNERS), settings);
  return { values: blend(own, other, settings.mixup), flipped, partner };
}
