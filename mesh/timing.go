package mesh

import "time"

// Timing holds the periods of a Mesh. A zero field takes its default. All calls are jittered.
type Timing struct {
	Gossip    time.Duration // between two rounds of gossip; 500 ms
	Probe     time.Duration // between two probes of members; 1 s
	ProbeWait time.Duration // for the answer to a probe; 500 ms
	PushPull  time.Duration // between two full exchanges with a random member; 30 s
	Stream    time.Duration // limit of a dial and of one exchange on a stream; 5 s
	CallFirst time.Duration // mean of the first calls' spacing (half to one and a half of it); 200 ms
	CallMax   time.Duration // longest spacing of calls to one address; 30 s
	Settle    time.Duration // an auto subnet is ours when nobody claimed it for this long; 250 ms
	Save      time.Duration // shortest spacing of writes of the peers file; 1 s
	Recheck   time.Duration // claims are checked against Forbidden at least this often; 5 s
}

func (t Timing) withDefaults() Timing {
	defaults := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Gossip, 500 * time.Millisecond},
		{&t.Probe, time.Second},
		{&t.ProbeWait, 500 * time.Millisecond},
		{&t.PushPull, 30 * time.Second},
		{&t.Stream, 5 * time.Second},
		{&t.CallFirst, 200 * time.Millisecond},
		{&t.CallMax, 30 * time.Second},
		{&t.Settle, 250 * time.Millisecond},
		{&t.Save, time.Second},
		{&t.Recheck, 5 * time.Second},
	}
	for _, d := range defaults {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return t
}
