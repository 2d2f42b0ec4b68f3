import { api } from './api.js';
import { h } from './dom.js';
/** @import { Part, UploadedFile } from './types.d.ts' */

/** The files that go with the next message: uploaded when they are chosen, dropped or pasted. */

const MAX_FILES = 10;

/**
 * @param {{ list: HTMLElement, attach: HTMLButtonElement, pick: HTMLInputElement, box: HTMLElement }} elements
 * @param {{ onError: (error: unknown) => void }} events
 */
export function createAttachments({ list, attach, pick, box }, { onError }) {
  /** @type {UploadedFile[]} */
  let files = [];
  let open = 0;

  const draw = () => {
    list.hidden = files.length === 0 && open === 0;
    list.replaceChildren(
      ...files.map((file) => {
        const label = `Remove ${file.name}`;
        const remove = () => {
          files = files.filter((other) => other !== file);
          draw();
          attach.focus();
        };
        const props = { type: 'button', class: 'link', 'aria-label': label, onclick: remove };
        return h('li', {}, file.name, h('button', props, '×'));
      }),
      ...(open > 0 ? [h('li', { class: 'soft' }, 'Uploading…')] : []),
    );
  };

  /** @param {Iterable<File>} chosen */
  const add = async (chosen) => {
    for (const file of chosen) {
      if (files.length + open >= MAX_FILES)
        return onError(new Error(`At most ${MAX_FILES} files.`));
      open += 1;
      draw();
      try {
        files = [...files, await api.upload(file)];
      } catch (error) {
        onError(error);
      }
      open -= 1;
      draw();
    }
  };

  attach.addEventListener('click', () => pick.click());
  pick.addEventListener('change', () => {
    const chosen = [...(pick.files ?? [])];
    pick.value = '';
    void add(chosen);
  });
  box.addEventListener('dragover', (event) => event.preventDefault());
  box.addEventListener('drop', (event) => {
    event.preventDefault();
    void add([...(event.dataTransfer?.files ?? [])]);
  });
  box.addEventListener('paste', (event) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (pasted.length === 0) return;
    event.preventDefault();
    void add(pasted);
  });

  return {
    /** As parts of the message. @returns {(Part & { fileId: string })[]} */
    parts: () =>
      files.map(({ fileId, name, mediaType, url }) => {
        return { type: 'attachment', fileId, name, mediaType, url };
      }),
    clear() {
      files = [];
      draw();
    },
  };
}
