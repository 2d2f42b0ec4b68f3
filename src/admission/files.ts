import { AppError } from '../errors.ts';
import type { LiveFile } from '../config/file/live.ts';
import type { Files } from '../files/files.ts';
import { accepts } from '../files/media-type.ts';
import type { AdmissionParts } from './admission.ts';

/** Files of one turn. */
export const MAX_TURN_FILES = 10;

/** What an agent of the file takes; undefined: it does not say. `agentId` undefined: the default agent. */
function acceptedBy({ current }: LiveFile, agentId: string | undefined): string[] | undefined {
  const id = agentId ?? current.defaultAgent ?? current.agents[0]?.id;
  return current.agents.find((agent) => agent.id === id)?.files;
}

/** Binds the user's files to a turn. */
export function turnFiles(deps: {
  files: Pick<Files, 'bind'>;
  file: LiveFile;
}): AdmissionParts['files'] {
  return {
    async bind(owner, fileIds) {
      if (new Set(fileIds).size > MAX_TURN_FILES) {
        throw new AppError('INVALID_REQUEST', `A message has at most ${MAX_TURN_FILES} files.`);
      }
      return deps.files.bind(owner, fileIds);
    },
    assertTaken(agentId, files) {
      const accepted = acceptedBy(deps.file, agentId);
      const refused = accepted && files.find(({ mediaType }) => !accepts(accepted, mediaType));
      if (!refused) return;
      const { fileId, name, mediaType } = refused;
      throw new AppError('FILE_NOT_ACCEPTED', `This agent does not take ${mediaType}: ${name}.`, {
        details: { fileId, mediaType, accepted },
      });
    },
  };
}
