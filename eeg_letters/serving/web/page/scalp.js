// Maps of band power over the scalp: spherical splines (Perrin et al. 1989) through the logarithms of the powers.

// From above: x to the right, y down; 1 is the ring through T7, T8 and Oz, which is drawn 90° from the vertex.
const PLACES = SERVED.places;
const HEAD = 1.36;  // The outline; the lowest electrodes, such as TP9 and TP10, are at 1.25.
const GRID = 192;  // Pixels of a map, and nodes at which the spline is worked out.
const NODES = 48;

// A scale a band, in µV², the same for all lines: it holds all but a hundredth of real and simulated recordings.
// Lines of equal power at 1, 2 and 5.
const SCALES = { theta: [0.1, 20], alpha: [0.1, 100], betaL: [0.05, 10], betaH: [0.03, 20], gamma: [0.01, 10] };
const CONTOURS = [0, Math.log10(2), Math.log10(5), 1];
const VIRIDIS = "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725"
  .split(" ").map((hex) => hex.match(/../g).map((part) => parseInt(part, 16)));

function viridis(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[below].map((part, index) => part + (VIRIDIS[below + 1][index] - part) * (place - below));
}

// Of other bands nothing is known; alpha's scale is the widest.
const FOLDED = new Map(Object.entries(SCALES).map(([band, scale]) => [band.toLowerCase(), scale]));
const usualScale = (band) => FOLDED.get(band.toLowerCase()) ?? SCALES.alpha;

// Another scale, as wide, where most powers are far from the usual one: they are in another unit.
function scaleFor(band, powers) {
  const usual = usualScale(band);
  const positive = powers.filter((value) => value > 0).sort((one, other) => one - other);
  const inside = positive.filter((value) => value >= usual[0] / 3 && value <= usual[1] * 3).length;
  if (2 * inside >= positive.length) return usual;
  // Both ends must be numbers that are neither 0 nor infinite: every decade between them gets a mark.
  const top = 10 ** Math.min(Math.max(Math.ceil(Math.log10(positive.at(-1))), -300), 308);
  return [top * (usual[0] / usual[1]), top];
}

const onSphere = ([x, y]) => {
  const radius = Math.hypot(x, y);
  const angle = (radius * Math.PI) / 2;
  const across = radius === 0 ? 0 : Math.sin(angle) / radius;
  return [x * across, y * across, Math.cos(angle)];
};

// Perrin's g by the cosine of an angle. Of order 2: of higher ones fields on recordings overshoot the electrodes' values
// by up to a decade.
const SPLINE = Float64Array.from({ length: 2001 }, (_, index) => {
  const cosine = index / 1000 - 1;
  let [before, legendre, sum] = [1, cosine, 0];
  for (let n = 1; n <= 60; n++) {
    sum += ((2 * n + 1) / (n * (n + 1)) ** 2) * legendre;
    [before, legendre] = [legendre, ((2 * n + 1) * cosine * legendre - n * before) / (n + 1)];
  }
  return sum / (4 * Math.PI);
});
function spline(one, other) {
  const place = 1000 * (1 + Math.min(Math.max(one[0] * other[0] + one[1] * other[1] + one[2] * other[2], -1), 0.9999999));
  const below = Math.floor(place);
  return SPLINE[below] + (SPLINE[below + 1] - SPLINE[below]) * (place - below);
}

function inverse(matrix) {
  const size = matrix.length;
  const rows = matrix.map((row, index) => [...row, ...row.map((_, column) => Number(column === index))]);
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column; row < size; row++) if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    const scale = rows[column][column];
    rows[column] = rows[column].map((value) => value / scale);
    for (let row = 0; row < size; row++) {
      const factor = rows[row][column];
      if (row !== column && factor !== 0) rows[row] = rows[row].map((value, index) => value - factor * rows[column][index]);
    }
  }
  return rows.map((row) => row.slice(size));
}

// Points around the head, each with the mean of the electrodes next to it: a spline left to itself runs away there.
const AROUND = Array.from({ length: 24 }, (_, index) => [1.5 * Math.cos((index * Math.PI) / 12), 1.5 * Math.sin((index * Math.PI) / 12)]);
function meansAround(electrodes) {
  return AROUND.map(([x, y]) => {
    const distances = electrodes.map((name) => Math.hypot(PLACES[name][0] - x, PLACES[name][1] - y));
    const third = [...distances].sort((one, other) => one - other)[2];
    const near = distances.map((distance) => (distance <= third ? 1 / distance ** 2 : 0));
    const all = near.reduce((sum, weight) => sum + weight, 0);
    return near.map((weight) => weight / all);
  });
}

// What each electrode weighs in each node of a coarse grid, and where each pixel lies between nodes: worked out once for
// the electrodes of a map, which may lack some that another has.
const fields = new Map();
function weights(electrodes) {
  const key = electrodes.join();
  if (fields.has(key)) return fields.get(key);
  const count = electrodes.length;
  const known = [...electrodes.map((name) => PLACES[name]), ...AROUND].map(onSphere);
  const values = [...electrodes.map((_, row) => electrodes.map((_, column) => Number(row === column))), ...meansAround(electrodes), electrodes.map(() => 0)];
  const system = known.map((one, row) => [...known.map((other, column) => spline(one, other) + (row === column ? 1e-7 : 0)), 1]);
  const solved = inverse([...system, [...known.map(() => 1), 0]])
    .map((row) => Float64Array.from(electrodes, (_, electrode) => row.reduce((sum, term, at) => sum + term * values[at][electrode], 0)));
  const table = new Float32Array(NODES * NODES * count);
  for (let node = 0; node < NODES * NODES; node++) {
    const [x, y] = [node % NODES, Math.floor(node / NODES)].map((place) => HEAD * ((2 * place) / (NODES - 1) - 1));
    const point = onSphere([x, y]);
    const sums = Float64Array.from(solved[known.length]);
    for (let term = 0; term < known.length; term++) {
      const near = spline(point, known[term]);
      const row = solved[term];
      for (let electrode = 0; electrode < count; electrode++) sums[electrode] += near * row[electrode];
    }
    table.set(sums, node * count);
  }
  const pixels = [];
  for (let pixel = 0; pixel < GRID * GRID; pixel++) {
    const [x, y] = [pixel % GRID, Math.floor(pixel / GRID)];
    if (Math.hypot(x + 0.5 - GRID / 2, y + 0.5 - GRID / 2) > GRID / 2 + 1) continue;
    const [right, down] = [x, y].map((place) => ((place + 0.5) / GRID) * (NODES - 1));
    pixels.push([pixel, Math.floor(down) * NODES + Math.floor(right), right % 1, down % 1]);
  }
  const [places, nodes] = [0, 1].map((part) => Uint32Array.from(pixels, (pixel) => pixel[part]));
  const [rights, downs] = [2, 3].map((part) => Float32Array.from(pixels, (pixel) => pixel[part]));
  fields.set(key, { table, count, places, nodes, rights, downs });
  return fields.get(key);
}

// Draws powers, one an electrode, on a canvas of GRID × GRID.
const image = new ImageData(GRID, GRID);
const shades = new Uint32Array(image.data.buffer);
const coarse = new Float32Array(NODES * NODES);
const heights = new Float32Array(GRID * (GRID + 2));
function drawField(canvas, electrodes, powers, scale) {
  const { table, count, places, nodes, rights, downs } = weights(electrodes);
  const [low, high] = scale.map(Math.log10);
  const logs = Float64Array.from(powers, (value) => Math.log10(Math.max(value, 10 ** (low - 1))));
  for (let node = 0, from = 0; node < coarse.length; node++, from += count) {
    let height = 0;
    for (let electrode = 0; electrode < count; electrode++) height += table[from + electrode] * logs[electrode];
    coarse[node] = height;
  }
  for (let at = 0; at < places.length; at++) {
    const [node, right, down] = [nodes[at], rights[at], downs[at]];
    const above = coarse[node] + (coarse[node + 1] - coarse[node]) * right;
    const below = coarse[node + NODES] + (coarse[node + NODES + 1] - coarse[node + NODES]) * right;
    heights[places[at]] = above + (below - above) * down;
  }
  const context = canvas.getContext("2d");
  for (let at = 0; at < places.length; at++) {
    const pixel = places[at];
    const height = heights[pixel];
    const [across, along] = [heights[pixel + 1] - heights[pixel - 1], heights[pixel + GRID] - heights[pixel - GRID]];
    const steep = Math.sqrt(across * across + along * along) / 2;
    const part = height - Math.floor(height);
    let distance = 1;
    for (const contour of CONTOURS) distance = Math.min(distance, Math.abs(part - contour));
    const share = Math.min(Math.max((height - low) / (high - low), 0), 1);
    const shade = Math.round(share * 255);
    shades[pixel] = 0xff000000 | (distance < steep ? mixed(COLOURS[shade], share < 0.5 ? 255 : 0, 0.42 * (1 - distance / steep)) : PACKED[shade]);
  }
  context.putImageData(image, 0, 0);
}

const mixed = ([red, green, blue], ink, share) =>
  ((blue + (ink - blue) * share) << 16) | ((green + (ink - green) * share) << 8) | (red + (ink - red) * share);
const COLOURS = Array.from({ length: 256 }, (_, index) => viridis(index / 255));
const PACKED = Uint32Array.from(COLOURS, (shade) => mixed(shade, 0, 0));

function drawBar(canvas) {
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  COLOURS.forEach((shade, index) => {
    context.fillStyle = `rgb(${shade.map(Math.round)})`;
    context.fillRect(index, 0, 1, 1);
  });
}
