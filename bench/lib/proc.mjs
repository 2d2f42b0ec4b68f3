import { fork } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** CPU seconds that all threads of a process have had so far (Linux). */
export function cpuSeconds(pid) {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(
      readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0],
    );
  }
  return nanoseconds / 1e9;
}

export function rssBytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

/** The process of this machine that listens on a port; undefined: it is on another machine, or not ours to see. */
export function listener(port) {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inode = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .map((line) => line.trim().split(/\s+/))
    .find(([, local, , state]) => state === '0A' && local.endsWith(`:${wanted}`))?.[9];
  return inode && readdirSync('/proc').find((pid) => /^\d+$/.test(pid) && holds(pid, inode));
}

function holds(pid, inode) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
    });
  } catch {
    // It is gone, or another user's.
    return false;
  }
}

/** A child that talks over IPC: `ask` sends a command and waits for the event that answers it. */
export class Child {
  #child;
  #waiting = [];
  #early = [];
  #stderr = '';

  constructor(path, { env = {}, args = [] } = {}) {
    this.#child = fork(path, args, {
      env: { ...process.env, NODE_OPTIONS: '', LANGSMITH_TRACING: 'false', ...env },
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr.on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-4000);
    });
    this.#child.on('message', (message) => this.#got(message));
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        for (const { reject } of this.#waiting)
          reject(new Error(`${path}: exit ${code}\n${this.#stderr}`));
        resolve(code);
      });
    });
  }

  get pid() {
    return this.#child.pid;
  }

  #got(message) {
    const index = this.#waiting.findIndex(({ ev }) => ev === message.ev);
    if (index < 0) this.#early.push(message);
    else this.#waiting.splice(index, 1)[0].resolve(message);
  }

  send(message) {
    this.#child.send(message);
  }

  next(ev, ms = 120_000) {
    const index = this.#early.findIndex((message) => message.ev === ev);
    if (index >= 0) return Promise.resolve(this.#early.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${ev} in ${ms} ms\n${this.#stderr}`)),
        ms,
      );
      const settle = (then) => (value) => {
        clearTimeout(timer);
        then(value);
      };
      this.#waiting.push({ ev, resolve: settle(resolve), reject: settle(reject) });
    });
  }

  ask(message, ev) {
    const answer = this.next(ev);
    this.send(message);
    return answer;
  }

  async stop() {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
