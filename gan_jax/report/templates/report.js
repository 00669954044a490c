(function () {
  'use strict';
  const data = JSON.parse(document.getElementById('data').textContent);
  const picture = document.querySelector('#grid img');
  const scrubber = document.getElementById('scrubber');
  const play = document.getElementById('play');
  const plots = Array.from(document.querySelectorAll('.chart .plot'));
  const charts = Object.values(data.charts);
  const lastStep = Math.max(1, ...charts.map((chart) => chart.steps[chart.steps.length - 1]));
  const sources = data.frames.map((frame) => frame.src || picture.src);
  document.documentElement.classList.add('live');

  function nearest(steps, step) {
    let best = 0;
    steps.forEach((other, i) => {
      if (Math.abs(other - step) < Math.abs(steps[best] - step)) best = i;
    });
    return best;
  }

  function read(step) {
    if (!plots.length) return;
    const label = 'at step ' + charts[0].steps[nearest(charts[0].steps, step)].toLocaleString('en');
    document.querySelectorAll('#reading').forEach((place) => { place.textContent = label; });
    plots.forEach((plot) => {
      const chart = data.charts[plot.parentNode.dataset.panel];
      const i = nearest(chart.steps, step);
      const cursor = plot.querySelector('.cursor');
      cursor.hidden = false;
      cursor.style.left = 100 * chart.steps[i] / lastStep + '%';
      plot.parentNode.querySelectorAll('.legend b').forEach((place, c) => {
        const value = chart.readings[c][i];
        place.textContent = value === null ? '' : String(Number(value.toPrecision(3)));
      });
    });
  }

  function shownStep() {
    return scrubber ? data.frames[scrubber.value].step : lastStep;
  }

  function show(frame) {
    scrubber.value = frame;
    picture.src = sources[frame];
    const moment = data.frames[frame].moment;
    document.getElementById('when').textContent = moment;
    scrubber.setAttribute('aria-valuetext', moment);
    read(shownStep());
  }

  plots.forEach((plot) => {
    const stepAt = (event) => {
      const box = plot.getBoundingClientRect();
      return lastStep * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    };
    plot.addEventListener('pointermove', (event) => read(stepAt(event)));
    plot.addEventListener('pointerleave', () => read(shownStep()));
    plot.addEventListener('click', (event) => {
      if (!scrubber) return;
      stop();
      show(nearest(data.frames.map((frame) => frame.step), stepAt(event)));
    });
  });

  let timer = null;
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = 'Play';
  }
  function start() {
    if (Number(scrubber.value) === sources.length - 1) show(0);
    play.textContent = 'Pause';
    timer = setInterval(() => {
      show(Number(scrubber.value) + 1);
      if (Number(scrubber.value) === sources.length - 1) stop();
    }, Math.max(90, 4500 / sources.length));
  }

  if (scrubber) {
    scrubber.addEventListener('input', () => { stop(); show(Number(scrubber.value)); });
    play.addEventListener('click', () => (timer === null ? start() : stop()));
    scrubber.max = sources.length - 1;
    show(sources.length - 1);
  } else {
    read(lastStep);
  }
  window.addEventListener('beforeprint', () => {
    document.querySelectorAll('details').forEach((fold) => { fold.open = true; });
  });
})();
