import { LocalHintBus } from '../../src/store/memory/hints.ts';
import { describeHints } from './hints.ts';

describeHints({
  name: 'memory',
  create() {
    const bus = new LocalHintBus();
    return { connect: (replicaId) => bus.connect(replicaId), destroy() {} };
  },
});
