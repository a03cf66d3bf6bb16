package measure

// Unavailable says in one line which program the measures need and this machine does not have; nil: none.
func Unavailable(measures []Measure) error {
	return nil
}
