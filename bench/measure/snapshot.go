package measure

import "github.com/weftnet/weft/lab"

// snapshot is what the kernel has counted of a subject at one moment.
type snapshot struct {
	protocols map[string]uint64 // summed over the namespaces, which live as long as the subject
	devices   map[deviceKey]device
	backlog   uint64
}

func takeSnapshot(spaces []*lab.Namespace) (snapshot, error) {
	s := snapshot{protocols: map[string]uint64{}, devices: map[deviceKey]device{}}
	for _, n := range spaces {
		if err := readProtocols(n, s.protocols); err != nil {
			return s, err
		}
		if err := readDevices(n, s.devices); err != nil {
			return s, err
		}
	}
	var err error
	s.backlog, err = readBacklog()
	return s, err
}

// since is the counters' increase. A device that is new began at zero.
func (s snapshot) since(before snapshot) map[string]uint64 {
	grown := map[string]uint64{CounterBacklog: less(s.backlog, before.backlog)}
	for name, value := range s.protocols {
		grown[name] = less(value, before.protocols[name])
	}
	for _, name := range bufferDrops {
		grown[CounterDrops] += grown[name]
	}
	for key, now := range s.devices {
		d := now.since(before.devices[key])
		grown[CounterRxDropped] += d.rxDropped
		grown[CounterTxDropped] += d.txDropped
		grown[CounterRxErrors] += d.rxErrors
		grown[CounterTxErrors] += d.txErrors
		grown[CounterQueue] += d.queued
		grown[CounterDrops] += d.drops()
	}
	return grown
}
