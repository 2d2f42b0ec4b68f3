import { request } from 'node:http';

/** One reader that is cut again and again, and goes on at the other replica with the cursor it has. */
class CutReader {
  #id;
  #last = 0;
  #turn = 0;
  cuts = 0;
  gaps = 0;
  repeats = 0;

  constructor({ ports, path, meanMs }) {
    this.ports = ports;
    this.path = path;
    this.meanMs = meanMs;
  }

  async run() {
    while (!(await this.#once())) this.cuts += 1;
    return this;
  }

  /** True: it has the terminal event. */
  #once() {
    const port = this.ports[this.#turn % this.ports.length];
    this.#turn += 1;
    const headers = this.#id ? { 'Last-Event-ID': this.#id } : {};
    return new Promise((resolve) => {
      let over = false;
      const req = request({ port, path: this.path, headers, agent: false }, (res) => {
        // Exponential: some connections are cut within their first events, some live long.
        setTimeout(() => req.destroy(), -Math.log(1 - Math.random()) * this.meanMs).unref();
        let text = '';
        res.setEncoding('latin1').on('data', (chunk) => {
          const frames = (text + chunk).split('\n\n');
          text = frames.pop();
          for (const frame of frames) over = this.#frame(frame) || over;
        });
        res.on('error', () => {});
      });
      req.on('error', () => {});
      req.on('close', () => resolve(over));
      req.end();
    });
  }

  #frame(frame) {
    const [, id] = /^id: ?(.+)$/m.exec(frame) ?? [];
    const [, seq] = /"seq":(\d+)/.exec(frame) ?? [];
    if (!id || !seq) return false;
    // Only a joiner without a cursor may get several deltas as one; a `reset` has no place here.
    const jump = Number(seq) - this.#last;
    if (jump < 1) this.repeats += 1;
    if (/^event: ?reset$/m.test(frame) || (jump > 1 && this.#id && this.#turn > 1)) this.gaps += 1;
    this.#id = id;
    this.#last = Number(seq);
    return /^event: ?done$/m.test(frame);
  }
}

/** A gate: throws where an event is missing or comes twice. */
export async function churn({ target }, { streams, readers, events, intervalMs, meanMs }) {
  const opened = await target.open(Array.from({ length: streams }, (_, i) => `churn-${i}`));
  const ports = [target.port('owner'), target.port('other')];
  const running = opened.flatMap(({ path }) =>
    Array.from({ length: readers }, () => new CutReader({ ports, path, meanMs }).run()),
  );
  await target.emit(opened, { events, intervalMs });
  const done = await Promise.all(running);
  const sum = (key) => done.reduce((total, reader) => total + reader[key], 0);
  const figures = { cuts: sum('cuts'), gaps: sum('gaps'), repeats: sum('repeats') };
  if (figures.gaps + figures.repeats > 0) throw new Error(`churn: ${JSON.stringify(figures)}`);
  return figures;
}
