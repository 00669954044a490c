'use strict';

const element = (id) => document.getElementById(id);
const SIDE = 8; // samples in a row
let run = '', facts = {}, start = 0, end = 0, next = 'start';

// Says what went wrong; '' takes it away.
function say(text) {
  element('error').textContent = text;
  element('error').hidden = !text;
}

async function ask(address, content) {
  const response = await fetch(address, content === undefined ? {} : {
    method: 'POST',
    body: content instanceof Blob ? content : JSON.stringify(content),
  });
  const found = await response.json().catch(() => ({error: `the server said ${response.status}`}));
  if (!response.ok) throw new Error(found.error);
  return found;
}

let working = 0; // calls under way

// Shows in `id`, and at the top, whether something is under way for it.
function busyAt(id, busy) {
  working += busy ? 1 : -1;
  element('working').hidden = !working;
  element(id).setAttribute('aria-busy', busy);
}

// Of calls that come while one is under way, only the last is made; `id` is what it fills.
function latest(id, work) {
  let busy = false, again = false;
  return async function call() {
    if (busy) { again = true; return; }
    busy = true;
    busyAt(id, true);
    try { await work(); say(''); } catch (error) { say(error.message); }
    busyAt(id, false);
    busy = false;
    if (again) { again = false; call(); }
  };
}

const of = (name) => `api/runs/${encodeURIComponent(run)}/${name}`;
const number = (id) => Number(element(id).value);

function drawn() {
  const label = element('label').value;
  const seed = Math.min(Math.max(Math.trunc(number('seed')) || 0, 0), 4294967295);
  return {seed, label: label === '' ? null : Number(label), truncation: number('truncation')};
}

function chosen() {
  const moves = [...element('directions').querySelectorAll('input')].map((each) => Number(each.value));
  return {...drawn(), start, end, along: number('along'), moves};
}

function mark() {
  [...element('grid').children].forEach((button, place) => {
    button.classList.toggle('start', place === start);
    button.classList.toggle('end', place === end && end !== start);
    button.setAttribute('aria-pressed', place === start || place === end);
    button.tabIndex = place === end ? 0 : -1; // Tab leaves the grid; arrows go about in it
  });
  element('along').disabled = start === end;
  element('picked').textContent = start === end
    ? `Sample ${start}: click another to morph to it.` : `From sample ${start} to sample ${end}.`;
}

const showPicture = latest('picture', async () => {
  element('along-value').value = number('along');
  const found = await ask(of('picture'), chosen());
  element('picture').src = element('save').href = found.picture;
  element('command').textContent = found.command;
  element('neighbours').replaceChildren();
});

const showGrid = latest('grid', async () => {
  element('truncation-value').value = number('truncation');
  const found = await ask(of('grid'), drawn());
  for (const button of element('grid').children) button.style.backgroundImage = `url(${found.picture})`;
  element('grid').dataset.shown = String(Number(element('grid').dataset.shown || 0) + 1);
  showPicture();
});

const showNearest = latest('neighbours', async () => {
  element('neighbours').textContent = 'Comparing …';
  try {
    const found = await ask(of('nearest'), chosen());
    const note = document.createElement('p');
    note.className = 'note';
    note.textContent = `The nearest by pixels of ${found.of}`;
    element('neighbours').replaceChildren(...found.pictures.map(image), note);
  } catch (error) {
    element('neighbours').textContent = error.message;
  }
});

function image(source) {
  const made = document.createElement('img');
  made.src = source;
  made.alt = 'a training image';
  return made;
}

function pick(place) {
  if (next === 'start') { start = end = place; element('along').value = 0; }
  else { end = place; element('along').value = 0.5; }
  next = next === 'start' ? 'end' : 'start';
  mark();
  showPicture();
}

function layGrid() {
  const cells = Array.from({length: SIDE * SIDE}, (_, place) => {
    const button = document.createElement('button');
    const [row, column] = [Math.floor(place / SIDE), place % SIDE];
    button.type = 'button';
    button.style.backgroundPosition = `${100 * column / (SIDE - 1)}% ${100 * row / (SIDE - 1)}%`;
    button.setAttribute('aria-label', `sample ${place}`);
    button.addEventListener('click', () => pick(place));
    return button;
  });
  element('grid').replaceChildren(...cells);
}

const ARROWS = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE};

element('grid').addEventListener('keydown', (event) => {
  const cells = [...element('grid').children];
  const to = cells[cells.indexOf(event.target) + ARROWS[event.key]];
  if (!to) return;
  event.preventDefault(); // the page would scroll
  to.focus();
});

function layDirections(count) {
  const sliders = Array.from({length: count}, (_, place) => {
    const label = document.createElement('label');
    const slider = Object.assign(document.createElement('input'),
      {type: 'range', min: -4, max: 4, step: 0.1, value: 0});
    slider.addEventListener('input', showPicture);
    label.append(`${place + 1}`, slider);
    return label;
  });
  element('directions').replaceChildren(...sliders);
}

// A canvas to draw on, of pixels as large as its `width` says.
function easel(canvas, ended) {
  const context = canvas.getContext('2d');
  const state = {paper: '#000', ink: '#fff', width: 20};
  let last = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width,
      (event.clientY - box.top) * canvas.height / box.height];
  };
  state.clear = () => {
    context.fillStyle = state.paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  const draw = (to) => {
    context.strokeStyle = state.ink;
    context.lineWidth = state.width;
    context.lineCap = context.lineJoin = 'round';
    context.beginPath();
    context.moveTo(...(last || to));
    context.lineTo(...to);
    context.stroke();
    last = to;
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = null;
    draw(place(event));
  });
  canvas.addEventListener('pointermove', (event) => { if (last) draw(place(event)); });
  for (const name of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(name, () => { if (last) { last = null; ended(); } });
  }
  state.show = async (file) => {
    const seen = await createImageBitmap(file);
    const scale = Math.min(canvas.width / seen.width, canvas.height / seen.height);
    const [width, height] = [seen.width * scale, seen.height * scale];
    state.clear();
    context.drawImage(seen, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  };
  return state;
}

const blob = (canvas) => new Promise((done) => canvas.toBlob(done, 'image/png'));

// Takes pictures that are opened or dropped.
function taking(section, input, take) {
  input.addEventListener('change', () => { if (input.files[0]) take(input.files[0]); input.value = ''; });
  section.addEventListener('dragover', (event) => { event.preventDefault(); section.classList.add('over'); });
  section.addEventListener('dragleave', () => section.classList.remove('over'));
  section.addEventListener('drop', (event) => {
    event.preventDefault();
    section.classList.remove('over');
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
}

let seen = null, given = null; // the picture to classify; [the one to translate, whether as it is]

const showClasses = latest('answer', async () => {
  const found = await ask(of('classify'), seen);
  element('answer').replaceChildren(...found.shares.slice(0, 10).map(([name, share]) => {
    const row = document.createElement('li');
    const [label, bar, value] = ['span', 'meter', 'span'].map((kind) => document.createElement(kind));
    label.textContent = name;
    bar.value = share;
    value.textContent = `${(100 * share).toFixed(1)} %`;
    row.append(label, bar, value);
    return row;
  }));
  element('remark').textContent = found.remark;
  element('measured').textContent = found.measured;
});

const slate = easel(element('slate'), async () => { seen = await blob(element('slate')); showClasses(); });
taking(element('classifier'), element('seen-file'), (file) => {
  seen = file;
  slate.show(file).catch(() => {}); // what the browser cannot show, the server may read
  showClasses();
});

const showTranslation = latest('compare', async () => {
  const [file, asIs] = given;
  const found = await ask(`${of('translate')}?as_is=${asIs ? 1 : 0}`, file);
  element('before').src = found.input;
  element('after').src = element('take').href = found.picture;
  element('result').hidden = false;
});

const board = easel(element('easel'), () => {});
taking(element('translator'), element('given-file'), (file) => {
  given = [file, element('as-is').checked];
  showTranslation();
});
element('drawn').addEventListener('click', async () => {
  given = [await blob(element('easel')), true];
  showTranslation();
});
element('ink').addEventListener('input', () => { board.ink = element('ink').value; });
element('width').addEventListener('input', () => { board.width = number('width'); });
element('erase').addEventListener('click', () => board.clear());
function wipe() {
  slate.clear();
  for (const id of ['answer', 'remark', 'measured']) element(id).replaceChildren();
}
element('wipe').addEventListener('click', wipe);
element('split').addEventListener('input', () => {
  element('before').style.clipPath = `inset(0 ${100 - number('split')}% 0 0)`;
  element('compare').style.setProperty('--split', `${number('split')}%`);
});

element('another').addEventListener('click', () => {
  element('seed').value = Math.floor(Math.random() * 100000);
  showGrid();
});
for (const id of ['seed', 'label', 'truncation']) {
  element(id).addEventListener(id === 'truncation' ? 'input' : 'change', showGrid);
}
element('along').addEventListener('input', showPicture);
element('nearest').addEventListener('click', showNearest);
element('straight').addEventListener('click', () => {
  for (const slider of element('directions').querySelectorAll('input')) slider.value = 0;
  showPicture();
});

const SECTIONS = ['gan', 'classifier', 'translator'];
const INPUTS = {
  grey: 'A photo is made grey, and gets new colours.',
  canny: 'A photo becomes its edges, and they become a photo. Or draw edges.',
};

const open = latest('where', async () => {
  for (const id of SECTIONS) element(id).hidden = true;
  element('title').textContent = run;
  element('where').textContent = '';
  facts = await ask(of('facts'), {});
  document.title = element('title').textContent = facts.title;
  element('where').textContent = `step ${facts.step.toLocaleString('en')} of ${facts.place}`;
  SECTIONS.forEach((id, place) => {
    element(id).hidden = ![facts.samples, facts.classifies, facts.translates][place];
  });
  if (facts.samples) {
    const all = new Option('all in turn', '');
    element('label').replaceChildren(all, ...facts.classes.map((name, place) => new Option(name, place)));
    element('of-class').hidden = !facts.classes.length;
    start = end = 0;
    next = 'start';
    element('along').value = 0;
    layGrid();
    layDirections(facts.directions);
    mark();
    showGrid();
  }
  if (facts.classifies) {
    [slate.paper, slate.ink] = facts.dark_on_light ? ['#fff', '#000'] : ['#000', '#fff'];
    wipe();
  }
  if (facts.translates) {
    element('easel').width = facts.width;
    element('easel').height = facts.height;
    element('made-from').textContent = INPUTS[facts.input] || 'A picture of the kind that training saw as its input.';
    element('result').hidden = true;
    board.width = number('width');
    board.clear();
  }
});

(async () => {
  const names = await ask('api/runs').catch((error) => { say(error.message); return []; });
  element('run').replaceChildren(...names.map((name) => new Option(name)));
  element('choice').hidden = names.length < 2;
  element('run').addEventListener('change', () => { run = element('run').value; open(); });
  run = names[0];
  if (run !== undefined) open();
})();
