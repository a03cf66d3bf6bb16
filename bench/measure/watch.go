package measure

import "errors"

// Watch is the time between Begin and End.
type Watch struct{}

// Begin starts to watch the machine and the counters of a subject.
func Begin(t Target) (*Watch, error) {
	return &Watch{}, nil
}

// End says what happened since Begin. It may be called again: then it is what happened until now.
func (w *Watch) End() (Observation, error) {
	return Observation{}, errors.New("measure: observe: not built yet")
}
