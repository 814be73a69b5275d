// Maps of band power over the scalp: spherical splines (Perrin et al. 1989) through the logarithms of 32 electrodes.

// The 10-20 system from above: x to the right, y down; 1 is the ring through T7, T8 and Oz, 90° from the vertex.
const PLACES = {
  Fp1: [-0.31, -0.95], Fp2: [0.31, -0.95], F7: [-0.81, -0.59], F3: [-0.41, -0.51], Fz: [0, -0.5], F4: [0.41, -0.51], F8: [0.81, -0.59],
  FT9: [-1.17, -0.38], FC5: [-0.73, -0.28], FC1: [-0.25, -0.25], FC2: [0.25, -0.25], FC6: [0.73, -0.28], FT10: [1.17, -0.38],
  T7: [-1, 0], C3: [-0.5, 0], Cz: [0, 0], C4: [0.5, 0], T8: [1, 0],
  TP9: [-1.17, 0.38], CP5: [-0.73, 0.28], CP1: [-0.25, 0.25], CP2: [0.25, 0.25], CP6: [0.73, 0.28], TP10: [1.17, 0.38],
  P7: [-0.81, 0.59], P3: [-0.41, 0.51], Pz: [0, 0.5], P4: [0.41, 0.51], P8: [0.81, 0.59], O1: [-0.31, 0.95], Oz: [0, 1], O2: [0.31, 0.95],
};
const HEAD = 1.36;  // The outline; FT9, FT10, TP9 and TP10 are at 1.23.
const GRID = 192;

// One scale for all bands and lines, in µV²: the middle 97 % of recordings. Lines of equal power at 1, 2 and 5.
const SCALE = [0.03, 100];
const CONTOURS = [0, Math.log10(2), Math.log10(5), 1];
const VIRIDIS = "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725"
  .split(" ").map((hex) => hex.match(/../g).map((part) => parseInt(part, 16)));

function viridis(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[below].map((part, index) => part + (VIRIDIS[below + 1][index] - part) * (place - below));
}

// A scale for powers in another unit, whole decades wide, where most of a row lies outside the usual one.
function scaleFor(powers) {
  const positive = powers.filter((value) => value > 0).sort((one, other) => one - other);
  const inside = positive.filter((value) => value >= SCALE[0] / 3 && value <= SCALE[1] * 3).length;
  if (2 * inside >= positive.length) return SCALE;
  const top = 10 ** Math.ceil(Math.log10(positive[Math.floor(0.99 * (positive.length - 1))]));
  return [top * (SCALE[0] / SCALE[1]), top];
}

const onSphere = ([x, y]) => {
  const radius = Math.hypot(x, y);
  const angle = (radius * Math.PI) / 2;
  const across = radius === 0 ? 0 : Math.sin(angle) / radius;
  return [x * across, y * across, Math.cos(angle)];
};

// Perrin's g, of order 4, by the cosine of an angle.
const SPLINE = Float64Array.from({ length: 2001 }, (_, index) => {
  const cosine = index / 1000 - 1;
  let [before, legendre, sum] = [1, cosine, 0];
  for (let n = 1; n <= 30; n++) {
    sum += ((2 * n + 1) / (n * (n + 1)) ** 4) * legendre;
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

// What each electrode weighs in each point of the grid: worked out once.
let field;
function weights(electrodes) {
  if (field) return field;
  const known = electrodes.map((name) => onSphere(PLACES[name]));
  const count = known.length;
  const system = known.map((one, row) => [...known.map((other, column) => spline(one, other) + (row === column ? 1e-7 : 0)), 1]);
  const solved = inverse([...system, [...known.map(() => 1), 0]]);
  const points = [];
  for (let index = 0; index < GRID * GRID; index++) {
    const x = (((index % GRID) + 0.5) / GRID) * 2 - 1;
    const y = ((Math.floor(index / GRID) + 0.5) / GRID) * 2 - 1;
    if (Math.hypot(x, y) < 1.03) points.push([index, onSphere([x * HEAD, y * HEAD])]);
  }
  const table = new Float32Array(points.length * count);
  points.forEach(([, point], at) => {
    const near = [...known.map((electrode) => spline(point, electrode)), 1];
    for (let electrode = 0; electrode < count; electrode++) {
      let weight = 0;
      for (let term = 0; term <= count; term++) weight += near[term] * solved[term][electrode];
      table[at * count + electrode] = weight;
    }
  });
  field = { places: Uint32Array.from(points, ([index]) => index), table, count };
  return field;
}

// Draws powers, one an electrode, on a canvas of GRID × GRID.
const heights = new Float32Array(GRID * GRID).fill(NaN);
function drawField(canvas, electrodes, powers, scale) {
  const { places, table, count } = weights(electrodes);
  const [low, high] = scale.map(Math.log10);
  const logs = Float32Array.from(powers, (value) => Math.log10(Math.max(value, 10 ** (low - 1))));
  for (let at = 0; at < places.length; at++) {
    let height = 0;
    for (let electrode = 0, from = at * count; electrode < count; electrode++) height += table[from + electrode] * logs[electrode];
    heights[places[at]] = height;
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(GRID, GRID);
  for (let at = 0; at < places.length; at++) {
    const index = places[at];
    const height = heights[index];
    const steep = Math.hypot(heights[index + 1] - heights[index - 1], heights[index + GRID] - heights[index - GRID]) / 2;
    const part = height - Math.floor(height);
    let distance = 1;
    for (const contour of CONTOURS) distance = Math.min(distance, Math.abs(part - contour));
    const line = steep > 0 ? Math.max(0, 1 - distance / steep) * 0.42 : 0;
    const share = (height - low) / (high - low);
    const shade = COLOURS[Math.round(Math.min(Math.max(share, 0), 1) * 255)];
    const ink = share < 0.5 ? 255 : 0;
    for (let part = 0; part < 3; part++) image.data[4 * index + part] = shade[part] + (ink - shade[part]) * line;
    image.data[4 * index + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
const COLOURS = Array.from({ length: 256 }, (_, index) => viridis(index / 255));

function drawBar(canvas) {
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  COLOURS.forEach((shade, index) => {
    context.fillStyle = `rgb(${shade.map(Math.round)})`;
    context.fillRect(index, 0, 1, 1);
  });
}
