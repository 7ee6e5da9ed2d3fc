'use strict';
(() => {
  // What others say becomes text nodes and attributes, never markup: nothing here parses HTML, and
  // the policy that this page comes with (Trusted Types) would not let it.
  const config = JSON.parse(document.body.dataset.config);
  const nodes = config.nodes.map((node, index) => ({
    ...node, index, status: null, at: 0, history: [], rates: [], lost: null, steps: null,
  }));
  const single = nodes.length === 1;
  const WINDOW_MS = 10000, LINES = 300, PAGE = 50, POINTS = 60;
  const $ = id => document.getElementById(id);
  const now = () => performance.now();

  const el = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === true) made.setAttribute(key, '');
      else if (value !== false && value != null) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter(child => child != null && child !== false).map(child =>
      child instanceof Node ? child : String(child)));
    return made;
  };

  // Changes what is shown to what is wanted, and leaves what is the same: focus and selection stay.
  const patch = (shown, wanted) => {
    if (shown.isEqualNode(wanted)) return;
    if (shown.nodeName !== wanted.nodeName) { shown.replaceWith(wanted); return; }
    if (shown.nodeType === Node.TEXT_NODE) { shown.data = wanted.data; return; }
    for (const { name } of [...shown.attributes]) if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
    for (const { name, value } of wanted.attributes) if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
    fill(shown, [...wanted.childNodes]);
  };
  const fill = (parent, wanted) => {
    wanted = wanted.flat();
    while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
    wanted.forEach((child, index) => {
      const shown = parent.childNodes[index];
      if (shown) patch(shown, child); else parent.append(child);
    });
  };

  // Words for numbers.
  const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
  const count = value => value == null ? '–' : grouped.format(value);
  const rate = value => value == null ? '–' : value >= 100 || value === 0 ? count(value) : value.toFixed(1);
  const units = [[86400000, 'd', 3600000, 'h'], [3600000, 'h', 60000, 'min'], [60000, 'min', 1000, 's']];
  const age = ms => {
    for (const [large, name, small, rest] of units) {
      if (ms >= large) return `${Math.floor(ms / large)} ${name} ${Math.floor(ms % large / small)} ${rest}`;
    }
    return ms >= 10000 ? `${Math.floor(ms / 1000)} s` : ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`;
  };
  const micros = us => us == null ? ['–', ''] :
    us < 1000 ? [String(Math.round(us)), 'µs'] :
    us < 1000000 ? [(us / 1000).toFixed(us < 10000 ? 1 : 0), 'ms'] : [(us / 1000000).toFixed(1), 's'];
  const bytes = value => value == null ? '–' : value < 1024 ? `${value} B` :
    value < 1048576 ? `${(value / 1024).toFixed(value < 10240 ? 1 : 0)} KiB` :
    value < 1073741824 ? `${(value / 1048576).toFixed(0)} MiB` : `${(value / 1073741824).toFixed(1)} GiB`;
  const serviceName = service => service == null ? '(default)' : service;

  // A status has come.
  const counted = status => {
    const counters = status.counters || {};
    const buckets = [];
    for (const times of status.call_times || []) {
      times.counts.forEach((value, index) => { buckets[index] = (buckets[index] || 0) + value; });
    }
    const failed = ['failed', 'failed_by_handler', 'timed_out'].reduce((sum, name) => sum + (counters[name] || 0), 0);
    return { at: now(), requests: counters.requests || 0, failed, buckets };
  };
  const take = (node, status) => {
    if (node.status && node.status.pid !== status.pid) {
      // What was counted begins anew with another process.
      node.history = [];
      note(node, 'INFO', 'another process serves', { before: node.status.pid, now: status.pid });
    }
    follow(node, node.status, status);
    node.status = status;
    node.at = now();
    node.lost = null;
    const mark = counted(status);
    const last = node.history[node.history.length - 1];
    if (last && mark.at - last.at > 200) {
      node.rates.push(Math.max(0, (mark.requests - last.requests) * 1000 / (mark.at - last.at)));
      if (node.rates.length > POINTS) node.rates.shift();
    }
    node.history.push(mark);
    while (node.history.length > 2 && mark.at - node.history[0].at > WINDOW_MS) node.history.shift();
    draw();
  };
  // A drain as steps, with the times at which this page saw them.
  const follow = (node, before, status) => {
    const phase = status.phase;
    if (before && before.pid !== status.pid) { node.steps = null; }
    if (phase === 'serving') {
      if (node.steps && !node.steps.over) { node.steps.over = 'undrained'; node.steps.seen.serving = now(); }
      return;
    }
    if (!node.steps || node.steps.over) {
      node.steps = { seen: {}, clients: status.connections, over: null, isOlder: !before };
    }
    node.steps.seen[phase] = node.steps.seen[phase] || now();
    node.steps.clients = Math.max(node.steps.clients, status.connections);
  };
  const lost = (node, why) => {
    if (!node.lost) node.lost = { since: now(), why };
    draw();
  };
  const timeLeft = node => node.status.time_left_ms == null ? null :
    Math.max(0, node.status.time_left_ms - (now() - node.at));

  // Figures of all nodes that answer.
  const window_ = node => {
    const [first, last] = [node.history[0], node.history[node.history.length - 1]];
    if (node.lost || !first || last.at - first.at < 500) return null;
    return {
      calls: Math.max(0, (last.requests - first.requests) * 1000 / (last.at - first.at)),
      buckets: last.buckets.map((value, index) => Math.max(0, value - (first.buckets[index] || 0))),
    };
  };
  const quantile = (buckets, bounds, part) => {
    const all = buckets.reduce((sum, value) => sum + value, 0);
    if (!all) return null;
    let before = 0;
    for (let index = 0; index < buckets.length; index++) {
      if (before + buckets[index] >= part * all) {
        const low = index ? bounds[index - 1] : 0;
        const high = index < bounds.length ? bounds[index] : low;
        return low + (high - low) * (part * all - before) / buckets[index];
      }
      before += buckets[index];
    }
    return null;
  };
  const line = () => {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('class', 'line');
    svg.setAttribute('viewBox', `0 0 ${POINTS - 1} 22`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    const values = [];
    for (const node of nodes) {
      node.rates.forEach((value, index) => {
        const place = POINTS - node.rates.length + index;
        values[place] = (values[place] || 0) + value;
      });
    }
    const most = Math.max(1, ...values.filter(value => value != null));
    const points = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
    points.setAttribute('points', values.map((value, index) => `${index},${(20.5 - 19 * value / most).toFixed(1)}`).filter(point => point).join(' '));
    svg.append(points);
    return svg;
  };
  const tile = (name, value, unit, kind, more) =>
    el('div', {}, el('dt', {}, name), el('dd', { class: kind }, value, unit ? el('small', {}, unit) : null), more);
  const drawTiles = () => {
    const windows = nodes.map(window_).filter(found => found);
    const known = nodes.filter(node => node.status);
    // Until there are two moments to compare, the figures stay that the page came with.
    if (!windows.length && !drawTiles.isLive) return;
    drawTiles.isLive = true;
    const sum = of => known.reduce((all, node) => all + (of(node.status) || 0), 0);
    const buckets = [];
    for (const { buckets: some } of windows) some.forEach((value, index) => { buckets[index] = (buckets[index] || 0) + value; });
    const bounds = (known[0] && known[0].status.call_bounds_us) || [];
    const calls = windows.length ? windows.reduce((all, { calls }) => all + calls, 0) : null;
    const failed = known.reduce((all, node) => all + counted(node.status).failed, 0);
    const pause = known.reduce((most, node) => Math.max(most, (node.status.worst_pause_us) || 0), 0);
    const [p50, p50unit] = micros(quantile(buckets, bounds, .5));
    const [p99, p99unit] = micros(quantile(buckets, bounds, .99));
    const [worst, worstUnit] = micros(known.length ? pause : null);
    fill($('tiles'), [
      tile('Calls a second', rate(calls), null, null, line()),
      tile('Half within', p50, p50unit), tile('99 % within', p99, p99unit),
      tile('Failed', count(known.length ? failed : null), null, failed ? 'bad' : null),
      tile('Worst pause', worst, worstUnit, pause > 250000 ? 'warn' : null),
      tile('Clients', count(sum(status => status.connections))),
      tile('Sessions', count(sum(status => status.sessions && status.sessions.present)),
        `${count(sum(status => status.sessions && status.sessions.parked))} parked`),
    ]);
  };

  const button = (act, node, label, more) =>
    el('button', { type: 'button', 'data-act': act, 'data-node': node.index, ...more }, label);
  const chip = (kind, words) => el('span', { class: `chip ${kind}` }, words);
  const phaseOf = node => {
    if (node.lost) return [chip('bad', `no answer for ${age(now() - node.lost.since)}`)];
    const status = node.status, left = timeLeft(node);
    const kinds = { serving: 'good', draining: 'warn', closing: 'warn' };
    const words = left == null ? status.phase : `${status.phase}, ${age(left)} left`;
    return [chip(kinds[status.phase] || 'bad', words),
      status.cordon ? chip('warn', 'cordoned') : null,
      status.overloaded ? chip('warn', 'overloaded') : null,
      !status.listening && status.phase === 'serving' ? chip('bad', 'not listening') : null,
      status.journal && status.journal.failing ? chip('bad', 'journal fails') : null,
      status.log && status.log.failing ? chip('bad', 'log fails') : null,
      status.audit && status.audit.failing ? chip('bad', 'audit fails') : null,
      (status.rows || []).some(rows => rows.failing) ? chip('bad', 'store fails') : null,
      status.policy && status.policy.failing ? chip('bad', 'policy unusable') : null,
      status.tls && status.tls.failing ? chip('bad', 'certificate unusable') : null];
  };
  const drawNodes = () => {
    fill($('nodes'), nodes.map(node => {
      if (!node.status) {
        const why = node.lost ? [chip('bad', 'no answer'), ' ', el('span', { class: 'soft' }, node.lost.why)] : 'asking …';
        return el('tr', {}, el('th', { class: 'mono', scope: 'row' }, node.name), el('td', { colspan: 10 }, why));
      }
      const status = node.status, found = window_(node), sessions = status.sessions || {};
      return el('tr', {},
        el('th', { class: 'mono', scope: 'row' }, node.name),
        el('td', {}, phaseOf(node)),
        el('td', { class: 'n' }, found ? rate(found.calls) : '–'),
        el('td', { class: 'n' }, count(status.connections)),
        el('td', { class: 'n' }, count(sessions.present)),
        el('td', { class: 'n' }, count(sessions.parked)),
        el('td', {}, status.agent || ''),
        el('td', { class: 'n' }, String(status.pid)),
        el('td', { class: 'n' }, age(status.uptime_ms)),
        el('td', { class: 'n' }, bytes(status.process && status.process.resident_bytes)),
        el('td', { class: 'n' },
          button(status.phase === 'draining' ? 'undrain' : 'drain', node, status.phase === 'draining' ? 'Undrain' : 'Drain'), ' ',
          button(status.cordon ? 'uncordon' : 'cordon', node, status.cordon ? 'Uncordon' : 'Cordon'), ' ',
          button('more', node, 'More', { 'aria-label': `More of ${node.name}` })));
    }));
  };

  // Services and versions against nodes.
  const cellOf = (node, service, version) => {
    const status = node.status;
    const has = (list, name) => (list || []).some(one => one.service === service && (one[name] || []).includes(version));
    const spoken = has(status.services, 'spoken'), withdrawn = has(status.services, 'withdrawn');
    const quarantines = (status.quarantines || []).filter(one => one.service === service && one.version === version);
    const ofAll = quarantines.find(one => one.peer == null);
    const found = (status.connections_by_version || []).find(one => one.service === service && one.version === version);
    return { spoken, withdrawn, quarantines, ofAll, clients: found ? found.connections : 0 };
  };
  const drawMatrix = () => {
    const known = nodes.filter(node => node.status);
    if (!known.length) return;
    const rows = new Map();
    for (const node of known) {
      for (const one of node.status.services || []) {
        const versions = rows.get(one.service) || new Set();
        [...one.spoken, ...one.withdrawn].forEach(version => versions.add(version));
        rows.set(one.service, versions);
      }
    }
    const cell = (node, service, version, label) => {
      const cell = cellOf(node, service, version);
      if (!cell.spoken && !cell.withdrawn) return null;
      const state = cell.ofAll ? 'quarantined' : cell.withdrawn ? 'withdrawn' : cell.quarantines.length ? 'quarantined' : '';
      const words = cell.ofAll ? `${age(Math.max(0, cell.ofAll.left_ms - (now() - node.at)))} left` :
        cell.withdrawn ? '' : cell.quarantines.length ? `for ${cell.quarantines.length}` : '';
      return button('version', node, [label && el('b', {}, label), count(cell.clients), words ? el('small', {}, words) : null], {
        class: `cell ${state || (cell.clients ? '' : 'none')}`, 'data-service': JSON.stringify(service), 'data-version': version,
        'aria-label': `${serviceName(service)} version ${version} at ${node.name}: ${cell.clients} clients${state ? `, ${state}` : ''}`,
      });
    };
    const names = [...rows.keys()].sort((one, other) => String(one ?? '').localeCompare(String(other ?? '')));
    const versionsOf = service => [...rows.get(service)].sort((one, other) => other - one);
    if (single) {
      // One node: a row for each service is all that it needs.
      fill($('matrix'), [el('tbody', {}, names.map(service => el('tr', {}, el('th', { scope: 'row' }, serviceName(service)),
        el('td', {}, versionsOf(service).flatMap(version => [cell(known[0], service, version, String(version)), ' '])))))]);
      return;
    }
    const head = el('thead', {}, el('tr', {}, el('th', {}, 'Version'), known.map(node => el('th', { class: 'mono' }, node.name))));
    const body = el('tbody');
    for (const service of names) {
      body.append(el('tr', { class: 'name' }, el('th', { scope: 'row', colspan: known.length + 1 }, serviceName(service))));
      for (const version of versionsOf(service)) {
        body.append(el('tr', {}, el('th', { scope: 'row' }, String(version)), known.map(node => {
          const shown = cell(node, service, version);
          return el('td', { class: shown ? null : 'soft' }, shown || '·');
        })));
      }
    }
    fill($('matrix'), [head, body]);
  };

  // Phases that a server tells, with the time of each.
  const stepsOf = (phases, bad) => {
    let before = 0;
    return [step('begun', '', ''), ...phases.map(({ stage, after_us: after }) => {
      const took = after - before;
      before = after;
      return step(stage, `+${micros(took).join(' ')}`, bad.includes(stage) ? 'bad' : '');
    })];
  };
  const pauseOf = (phases, end) => {
    const reached = name => (phases.find(phase => phase.stage === name) || {}).after_us;
    const pause = reached(end) - reached('suspending');
    return pause >= 0 ? ` · pause ${micros(pause).join(' ')}` : '';
  };
  const step = (name, time, kind) => el('li', { class: kind }, el('b', {}, name), el('span', {}, time));
  const drawChanges = () => {
    const shown = [];
    for (const node of nodes.filter(node => node.status)) {
      const status = node.status, title = single ? '' : `${node.name}: `;
      if (node.steps) {
        const { seen, clients, over, isOlder } = node.steps, first = Math.min(...Object.values(seen));
        const at = name => seen[name] == null ? '' : seen[name] > first ? `after ${age(seen[name] - first)}` : isOlder ? 'before this page' : 'begun';
        const left = timeLeft(node);
        const state = (name, is) => seen[name] == null ? 'todo' : is && !over ? 'open' : '';
        const gone = Math.max(0, clients - status.connections);
        shown.push(el('div', { class: 'change' },
          el('p', {}, `${title}drain to ${status.next_ip || 'nowhere'}`, over ? ', taken back' : ` · ${count(status.connections)} of ${count(clients)} clients left`,
            over ? null : el('progress', { max: Math.max(1, clients), value: gone, 'aria-label': 'Clients gone' })),
          el('ol', { class: 'steps' },
            step('draining', status.phase === 'draining' && left != null ? `${age(left)} left` : at('draining'), state('draining', status.phase === 'draining')),
            over ? step('serving', at('serving'), '') :
              [step('closing', status.phase === 'closing' && left != null ? `${age(left)} left` : at('closing'), state('closing', status.phase === 'closing')),
                step('stopped', at('stopped'), state('stopped', false))])));
      }
      const takeover = status.takeover;
      if (takeover) {
        const done = ['served', 'go', 'serving'].includes(takeover.stage);
        const pause = pauseOf(takeover.phases, 'go');
        const words = takeover.role === 'successor' ? `upgrade in place: process ${status.pid} took over from ${takeover.other}` :
          `upgrade in place: process ${takeover.other} takes over from ${status.pid}`;
        shown.push(el('div', { class: 'change' },
          el('p', {}, `${title}${words} · ${count(takeover.sessions)} sessions went along${takeover.staying ? `, ${count(takeover.staying)} stay for now` : ''}${pause}`),
          el('ol', { class: 'steps' }, stepsOf(takeover.phases, ['back', 'listening', 'alone']), done || takeover.why ? null : step('…', '', 'todo')),
          takeover.why ? el('p', { class: 'why' }, takeover.why) : null));
      }
      for (const one of status.hand_offs || []) {
        const done = ['given', 'active', 'back'].includes(one.stage);
        const way = one.role === 'giver' ? 'to' : 'from';
        shown.push(el('div', { class: 'change' },
          el('p', {}, `${title}hand-off of ${one.service} ${way} ${one.other} · ${count(one.rows)} rows, ${count(one.sessions)} sessions${pauseOf(one.phases, 'given')}`),
          el('ol', { class: 'steps' }, stepsOf(one.phases, ['back']), done ? null : step('…', '', 'todo')),
          one.why ? el('p', { class: 'why' }, one.why) : null));
      }
      if (status.cordon) shown.push(el('div', { class: 'change' }, el('p', {}, `${title}cordoned: new clients are sent to ${status.cordon.next_ip || 'the peers'}`), el('p')));
      for (const marks of status.overloaded && status.load_marks ? [status.load_marks] : []) {
        shown.push(el('div', { class: 'change' }, el('p', {}, `${title}overloaded: clients are sent to ${marks.next_ip} until there are less than ${count(marks.low)} ${marks.unit}`), el('p')));
      }
    }
    fill($('changes'), shown.length ? shown : [el('p', { class: 'empty' }, 'Nothing changes.')]);
  };

  const drawLive = () => {
    const silent = nodes.filter(node => node.lost);
    const is = !silent.length ? 'on' : silent.length < nodes.length ? 'slow' : 'off';
    $('live').dataset.is = is;
    const words = is === 'on' ? (polling ? 'live, every two seconds' : 'live') : single ? 'no answer, asking again' : `${silent.length} of ${nodes.length} do not answer`;
    if ($('live').textContent !== words) $('live').textContent = words;
    if (single && nodes[0].status) {
      const status = nodes[0].status;
      document.title = `${status.phase === 'serving' ? '' : `${status.phase} · `}${nodes[0].name} · UBF`;
    }
  };
  let drawing = false;
  const draw = () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      for (const part of [drawTiles, drawNodes, drawMatrix, drawChanges, drawLive]) part();
    });
  };

  // Lists come in pages; the server filters, so that a page is full of what is looked for.
  const lists = {
    connections: {
      row: (node, one) => el('tr', { 'data-act': 'connection', 'data-node': node.index, 'data-number': one.number },
        el('td', { class: 'n' }, button('connection', node, String(one.number), { class: 'plain', 'data-number': one.number })),
        el('td', { class: 'mono' }, one.peer), el('td', {}, one.version == null ? '–' : serviceName(one.service)),
        el('td', { class: 'n' }, one.version == null ? '–' : String(one.version)), el('td', { class: 'clip', title: one.agent }, one.agent || '–'),
        el('td', { class: 'n' }, count(one.calls)), el('td', { class: 'n' }, age(one.age_ms))),
    },
    sessions: {
      row: (node, one) => el('tr', { 'data-act': 'session', 'data-node': node.index, 'data-number': one.number },
        el('td', { class: 'n' }, button('session', node, String(one.number), { class: 'plain', 'data-number': one.number })),
        el('td', { class: 'mono' }, one.name), el('td', {}, serviceName(one.service)), el('td', { class: 'mono' }, one.peer),
        el('td', { class: 'n' }, one.connection ? String(one.connection) : '–'), el('td', {}, one.parked ? chip('warn', 'parked') : chip('good', 'attached')),
        el('td', { class: 'n' }, count(one.resumes)), el('td', { class: 'n' }, bytes(one.kept)), el('td', { class: 'n' }, age(one.age_ms))),
    },
  };
  for (const [name, list] of Object.entries(lists)) Object.assign(list, { name, after: 0, next: null, items: [], asks: 0, isBusy: false });
  const nodeOf = name => nodes[Number($(`${name}-node`).value) || 0];
  const load = async list => {
    const node = nodeOf(list.name), filter = $(`${list.name}-filter`).value.trim(), ask = ++list.asks;
    if (node.lost || !node.status) return;
    list.isBusy = true;
    try {
      const query = new URLSearchParams({ after: list.after, limit: PAGE, ...(filter ? { filter } : {}) });
      const answer = await fetch(`${node.base}${list.name}.json?${query}`, { cache: 'no-store' });
      if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).trim()}`);
      const { items, next } = await answer.json();
      // Another page may have been asked for meanwhile.
      if (ask !== list.asks) return;
      Object.assign(list, { items, next });
      const rows = items.map(one => list.row(node, one));
      const none = filter ? 'None of them matches.' : 'There is none.';
      fill($(list.name), rows.length ? rows : [el('tr', {}, el('td', { colspan: 9, class: 'soft' }, list.after ? 'No further one.' : none))]);
      const more = next == null ? '' : items.length < PAGE ? ', and not all were looked at' : ', and more';
      $(`${list.name}-note`).textContent = items.length ? `${count(items.length)} shown${more}` : '';
    } catch (error) {
      if (ask === list.asks) $(`${list.name}-note`).textContent = String(error.message || error);
    } finally {
      if (ask === list.asks) list.isBusy = false;
    }
    document.querySelector(`[data-act=page][data-list=${list.name}][data-to=next]`).disabled = list.next == null;
    document.querySelector(`[data-act=page][data-list=${list.name}][data-to=first]`).disabled = list.after === 0;
  };
  const restart = list => { list.after = 0; load(list); };

  // The feed.
  let isPaused = false, waiting = [], missed = 0;
  const plain = new Set(['timestamp', 'level', 'target', 'pid', 'node', 'message', 'spans']);
  const matches = (item, filter) => !filter || item.textContent.toLowerCase().includes(filter);
  const tell = (node, entry) => {
    const time = entry.timestamp ? new Date(entry.timestamp) : new Date();
    const fields = Object.entries(entry).filter(([name]) => !plain.has(name));
    const item = el('li', { class: String(entry.level || 'INFO').replace(/[^A-Z]/g, '') },
      el('time', { datetime: time.toISOString() }, time.toLocaleTimeString('en-GB')),
      single ? null : el('span', { class: 'where' }, node.name),
      el('div', { class: 'what' }, el('b', {}, entry.message || ''), fields.map(([name, value]) =>
        el('span', {}, `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`))));
    if (isPaused) {
      waiting.push(item);
      if (waiting.length > LINES) { waiting.shift(); missed++; }
    } else put(item);
    $('feed-note').textContent = isPaused ? `${waiting.length} waiting` : missed ? `${count(missed)} were missed` : '';
  };
  const put = item => {
    item.hidden = !matches(item, $('feed-filter').value.trim().toLowerCase());
    $('feed').prepend(item);
    while ($('feed').childElementCount > LINES) $('feed').lastElementChild.remove();
    $('feed-empty').hidden = true;
  };
  const note = (node, level, message, fields) => tell(node, { level, message, ...fields });

  // Acting: each action is a request of the operator's contract, and a command that says the same.
  let token = '';
  const quote = text => /^[A-Za-z0-9_./:,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
  const string = text => `"${[...text].map(one => {
    const code = one.codePointAt(0);
    return one === '"' || one === '\\' ? `\\${one}` : code < 32 || code > 126 ? `\\x{${code.toString(16)}}` : one;
  }).join('')}"`;
  const time = text => {
    const found = /^(\d+)(ms|s|m|h)$/.exec(text);
    return found ? Number(found[1]) * { ms: 1, s: 1000, m: 60000, h: 3600000 }[found[2]] : null;
  };
  const goal = text => text ? string(text) : '?';
  const grace = text => text ? String(time(text) ?? 'none') : '?';
  const option = (name, text) => text ? ` ${name} ${quote(text)}` : '';
  const last = text => text ? ` ${quote(text)}` : '';
  const which = service => service == null ? '?' : string(service);
  const address = { name: 'address', label: 'Send them to', placeholder: 'the peers: HOST:PORT,…' };
  const graceField = { name: 'grace', label: 'Grace', placeholder: 'as configured: 30s', pattern: '\\d+(ms|s|m|h)' };
  const actions = {
    drain: {
      title: 'Drain', go: 'Drain', says: 'Sends all clients elsewhere; then the server ends, or stays without clients.',
      fields: [address, graceField, { name: 'stay', label: 'Stay', type: 'checkbox' }],
      command: f => `drain${last(f.address)}${f.stay ? ' --stay' : ''}${option('--grace', f.grace)}`,
      term: f => `{${f.stay ? 'drain_and_stay' : 'drain'},${goal(f.address)},${grace(f.grace)},?}`,
    },
    undrain: { title: 'Undrain', go: 'Undrain', says: 'The server goes on serving.', fields: [], command: () => 'undrain', term: () => 'undrain' },
    cordon: {
      title: 'Cordon', go: 'Cordon', says: 'Admits no further client. Those that are connected stay.', fields: [address],
      command: f => `cordon${last(f.address)}`, term: f => `{cordon,${goal(f.address)}}`,
    },
    uncordon: { title: 'Uncordon', go: 'Uncordon', says: 'Admits clients again.', fields: [], command: () => 'uncordon', term: () => 'uncordon' },
    withdraw: {
      title: 'Withdraw a version', go: 'Withdraw', says: 'Clients that use it are told so, and negotiate another one.', fields: [],
      command: (f, on) => `withdraw ${on.version} --service ${quote(on.service ?? '?')}`, term: (f, on) => `{withdraw,${which(on.service)},${on.version}}`,
    },
    restore: {
      title: 'Restore a version', go: 'Restore', says: 'Offers it again, whoever withdrew it.', fields: [],
      command: (f, on) => `restore ${on.version} --service ${quote(on.service ?? '?')}`, term: (f, on) => `{restore,${which(on.service)},${on.version}}`,
    },
    kick: {
      title: 'Close the connection', go: 'Close it', says: 'It executes no further call, and those in progress are finished. Its client is free to connect again.', fields: [],
      command: (f, on) => `kick ${on.number}`, term: (f, on) => `{kick,${on.number},?}`,
    },
    move: {
      title: 'Move the client', go: 'Move it', says: 'Its next reply carries the address; a silent client is told at once.', fields: [address, graceField],
      command: (f, on) => `move ${on.number}${last(f.address)}${option('--grace', f.grace)}`,
      term: (f, on) => `{move_connection,${on.number},${goal(f.address)},${grace(f.grace)}}`,
    },
    log: {
      title: 'Log filter', go: 'Set', says: 'What is logged from here on, until the server ends or it is set again.',
      fields: [{ name: 'filter', label: 'Filter', value: 'debug', required: true }],
      command: f => `log-level ${quote(f.filter)}`, term: f => `{set_log_filter,${string(f.filter)}}`,
    },
    upgrade: {
      title: 'Upgrade in place', says: 'Starts another release beside this process, which takes its place. Only the machine itself can do that.',
      fields: [{ name: 'binary', label: 'Program', placeholder: 'the file that it was started from' }],
      whole: (f, node) => `ubf upgrade${option('--control', node.status.control || '')}${option('--binary', f.binary)}`,
    },
  };
  const dialog = $('dialog');
  const show = (...parts) => {
    const form = el('form', { method: 'dialog' }, ...parts);
    dialog.replaceChildren(form);
    if (!dialog.open) dialog.showModal();
    return form;
  };
  // No submit button: the Enter key in a field is for the one that acts.
  const closing = label => el('button', { type: 'button', 'data-act': 'close' }, label);
  const copyButton = () => el('button', { type: 'button', class: 'left', 'data-act': 'copy' }, 'Copy the command');
  const ask = (kind, node, on = {}, subject = '') => {
    const action = actions[kind], mayAct = config.act && action.term;
    const inputs = action.fields.map(field => {
      const input = el('input', { type: field.type || 'text', name: field.name, placeholder: field.placeholder, value: field.value, pattern: field.pattern, required: field.required, autocomplete: 'off', spellcheck: 'false' });
      return el('label', {}, field.label, input);
    });
    const secret = mayAct && !token ? el('label', {}, 'Token', el('input', { type: 'password', name: 'token', required: true, autocomplete: 'off' })) : null;
    const command = el('pre', { 'aria-label': 'The command that does the same' });
    const said = el('p', { class: 'said', role: 'status' });
    const go = mayAct ? el('button', { type: 'submit', class: 'main', value: 'go' }, action.go) : null;
    const form = show(el('h2', { id: 'dialog-title' }, action.title), el('p', {}, [node.name, subject].filter(part => part).join(' · ')),
      el('p', {}, action.says), inputs, command, secret,
      mayAct || !action.term ? null : el('p', {}, 'This page only shows: it acts for those who have the token of --admin-token. The command above does the same.'),
      said, el('div', { class: 'row' }, copyButton(), closing(mayAct ? 'Cancel' : 'Close'), go));
    const values = () => Object.fromEntries(action.fields.map(({ name, type }) => [name, type === 'checkbox' ? form.elements[name].checked : form.elements[name].value.trim()]));
    const say = () => {
      command.textContent = action.whole ? action.whole(values(), node) :
        `ubf admin${option('--control', node.status.control || '')} ${action.command(values(), on)}`;
    };
    say();
    form.addEventListener('input', say);
    form.addEventListener('submit', async event => {
      if (!event.submitter || event.submitter.value !== 'go') return;
      event.preventDefault();
      go.disabled = true;
      const shown = secret && secret.isConnected ? form.elements.token.value : token;
      const answer = await act(node, action.term(values(), on), shown);
      go.disabled = false;
      said.className = `said ${answer.isDone ? 'good' : 'bad'}`;
      said.textContent = answer.words;
      if (answer.isKnown === false && !secret) { token = ''; ask(kind, node, on, subject); return; }
      if (answer.isKnown) token = shown;
      if (answer.isDone) {
        go.remove();
        if (secret) secret.remove();
        const close = form.querySelector('[data-act=close]');
        close.textContent = 'Close';
        close.focus();
        Object.values(lists).forEach(load);
      }
    });
  };
  const act = async (node, request, shown) => {
    try {
      const answer = await fetch(`${node.base}admin`, {
        method: 'POST', body: request, cache: 'no-store',
        headers: { Authorization: `Bearer ${shown}`, 'Content-Type': 'text/plain; charset=utf-8' },
      });
      const words = (await answer.text()).trim();
      return { isDone: answer.ok, isKnown: answer.status !== 401, words: answer.ok ? 'Done.' : words || `it answers ${answer.status}` };
    } catch (error) {
      return { isDone: false, words: `no answer: ${error.message || error}` };
    }
  };
  const facts = pairs => el('dl', {}, pairs.map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
  const look = {
    connection(node, number) {
      const one = lists.connections.items.find(one => one.number === number);
      if (!one) return;
      const on = { number }, subject = `connection ${number} of ${one.peer}`;
      const form = show(el('h2', { id: 'dialog-title' }, `Connection ${number}`), facts([
        ['Node', node.name], ['Peer', one.peer], ['Agent', one.agent || '–'],
        ['Service', one.version == null ? 'nothing agreed on' : serviceName(one.service)], ['Version', one.version ?? '–'],
        ['Running calls', count(one.calls)], ['Age', age(one.age_ms)],
        ...lists.sessions.items.filter(session => !session.parked && session.connection === number).map(session => ['Session', `${session.number} (${session.name})`]),
      ]), el('div', { class: 'row' }, el('button', { type: 'button', name: 'move' }, 'Move …'), el('button', { type: 'button', name: 'kick' }, 'Close it …'), closing('Done')));
      for (const kind of ['move', 'kick']) form.elements[kind].addEventListener('click', () => ask(kind, node, on, subject));
    },
    session(node, number) {
      const one = lists.sessions.items.find(one => one.number === number);
      if (!one) return;
      const on = { number: one.connection }, subject = `connection ${one.connection} of session ${one.name}`;
      const acts = one.parked || !one.connection ? [] : ['move', 'kick'];
      const form = show(el('h2', { id: 'dialog-title' }, `Session ${number}`), facts([
        ['Node', node.name], ['Name', `${one.name} (a hash: the name itself is a secret)`], ['Service', serviceName(one.service)], ['Peer', one.peer],
        ['Connection', one.parked ? `none; ${one.connection || 'none'} was the last` : one.connection], ['Resumed', `${count(one.resumes)} times`],
        ['Kept for its client', bytes(one.kept)], ['Age', age(one.age_ms)],
      ]), el('div', { class: 'row' }, acts.map(kind => el('button', { type: 'button', name: kind }, kind === 'move' ? 'Move …' : 'Close its connection …')), closing('Done')));
      for (const kind of acts) form.elements[kind].addEventListener('click', () => ask(kind, node, on, subject));
    },
    version(node, number, data) {
      const service = JSON.parse(data.service), version = Number(data.version), cell = cellOf(node, service, version);
      const subject = `${serviceName(service)} version ${version}`, on = { service, version };
      const kind = cell.withdrawn || cell.quarantines.length ? 'restore' : 'withdraw';
      const form = show(el('h2', { id: 'dialog-title' }, subject), facts([
        ['Node', node.name], ['Clients', count(cell.clients)],
        ['State', cell.ofAll ? 'in quarantine: crashes of its handlers have withdrawn it' : cell.withdrawn ? 'withdrawn' : 'offered'],
        ...cell.quarantines.map(one => [one.peer == null ? 'For all' : `For ${one.peer}`, `${age(one.left_ms)} left`]),
      ]), el('div', { class: 'row' }, el('button', { type: 'button', name: kind }, `${actions[kind].go} …`), closing('Done')));
      form.elements[kind].addEventListener('click', () => ask(kind, node, on, subject));
    },
    more(node) {
      const status = node.status, process = status.process || {};
      const writer = one => one ? `${one.failing ? 'fails' : 'is written'}, ${count(one.missing)} missing` : '–';
      const form = show(el('h2', { id: 'dialog-title' }, node.name), facts([
        ['Listens on', (status.addresses || []).join(', ') || '–'], ['Known as', status.advertised || '–'], ['Peers', status.peers || '–'],
        ['Control socket', status.control || '–'], ['Running calls', count(status.calls)],
        ['Load marks', status.load_marks ? `${count(status.load_marks.low)} to ${count(status.load_marks.high)} ${status.load_marks.unit}, then to ${status.load_marks.next_ip}` : '–'],
        ...(status.rows || []).map(rows => [`Rows of ${rows.service}`, [rows.here ? 'owned here' : 'not owned here',
          rows.versions ? `state versions ${rows.versions.lowest} to ${rows.versions.highest}` : null,
          `${count(rows.commit_counts.reduce((sum, value) => sum + value, 0))} commits`, rows.not_committed ? `${count(rows.not_committed)} failed` : null,
        ].filter(part => part).join(', ')]),
        ['Journal', writer(status.journal)], ['Log', writer(status.log)], ['Audit', writer(status.audit)], ['TLS', status.tls ? status.tls.failing ? 'the certificate in its files cannot be used' : 'on' : 'off'],
        ['Descriptors', process.open_descriptors == null ? '–' : `${count(process.open_descriptors)} of ${count(process.max_descriptors)}`],
        ...Object.entries(status.counters || {}).filter(([, value]) => value).map(([name, value]) => [name.replaceAll('_', ' '), count(value)]),
      ]), el('div', { class: 'row' }, el('button', { type: 'button', name: 'log' }, 'Log filter …'), el('button', { type: 'button', name: 'upgrade' }, 'Upgrade …'), closing('Done')));
      for (const kind of ['log', 'upgrade']) form.elements[kind].addEventListener('click', () => ask(kind, node));
    },
  };

  document.addEventListener('click', async event => {
    const target = event.target.closest('[data-act]');
    if (!target) return;
    const data = target.dataset, node = nodes[Number(data.node) || 0];
    if (data.act === 'page') {
      const list = lists[data.list];
      list.after = data.to === 'first' ? 0 : list.next ?? list.after;
      load(list);
    } else if (data.act === 'pause') {
      isPaused = !isPaused;
      target.setAttribute('aria-pressed', String(isPaused));
      target.textContent = isPaused ? 'Go on' : 'Pause';
      if (!isPaused) { waiting.forEach(put); waiting = []; $('feed-note').textContent = ''; }
    } else if (data.act === 'close') {
      dialog.close();
    } else if (data.act === 'clear') {
      $('feed').replaceChildren();
    } else if (data.act === 'copy') {
      const command = dialog.querySelector('pre');
      try {
        await navigator.clipboard.writeText(command.textContent);
        target.textContent = 'Copied';
      } catch {
        // A browser may not allow it: what is selected can be copied by hand.
        getSelection().selectAllChildren(command);
      }
    } else if (look[data.act]) {
      look[data.act](node, Number(data.number), data);
    } else if (actions[data.act]) {
      ask(data.act, node);
    }
  });
  $('feed-filter').addEventListener('input', () => {
    const filter = $('feed-filter').value.trim().toLowerCase();
    for (const item of $('feed').children) item.hidden = !matches(item, filter);
  });
  for (const list of Object.values(lists)) {
    let timer;
    $(`${list.name}-filter`).addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(restart, 200, list); });
    const choice = $(`${list.name}-node`);
    choice.append(...nodes.map(node => el('option', { value: node.index }, node.name)));
    choice.hidden = single;
    choice.addEventListener('change', () => restart(list));
  }

  // Live: events, and where there is no place for one more reader of them, questions.
  let polling = null;
  const poll = async () => {
    for (const node of nodes) {
      try {
        const answer = await fetch(`${node.base}status.json`, { cache: 'no-store' });
        if (!answer.ok) throw new Error(`it answers ${answer.status}`);
        take(node, await answer.json());
      } catch (error) {
        lost(node, String(error.message || error));
      }
    }
  };
  const connect = () => {
    const source = new EventSource('events');
    // Of several nodes an event tells which by its id.
    const on = (name, then) => source.addEventListener(name, event => {
      const node = nodes[Number(event.lastEventId) || 0];
      if (node) then(node, JSON.parse(event.data));
    });
    on('status', take);
    on('log', tell);
    on('missed', (node, lines) => { missed += lines; });
    on('gone', (node, why) => lost(node, String(why)));
    source.addEventListener('open', () => { clearInterval(polling); polling = null; });
    source.addEventListener('error', () => {
      if (source.readyState !== EventSource.CLOSED) { nodes.forEach(node => lost(node, 'the stream of events has ended')); return; }
      // It was refused, and does not try again by itself.
      if (!polling) { poll(); polling = setInterval(poll, 2000); }
      setTimeout(connect, 15000);
    });
  };
  connect();
  for (const tools of document.querySelectorAll('.tools[hidden]')) tools.hidden = false;
  $('feed-empty').textContent = 'Nothing has been said since this page was opened.';
  setInterval(() => {
    if (document.hidden) return;
    for (const list of Object.values(lists)) if (!list.isBusy) load(list);
  }, 4000);
  setTimeout(() => Object.values(lists).forEach(load), 300);
  setInterval(draw, 1000);
})();
