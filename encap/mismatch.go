package encap

import "fmt"

// MismatchError says which setting differs between two nodes that share a secret.
type MismatchError struct {
	Field        string // "network", "encryption", "version" or "cipher"
	Ours, Theirs string
}

// Error names the setting and both values.
func (e *MismatchError) Error() string {
	return "encap: " + e.Why()
}

// Why is the reason as a clause, for people.
func (e *MismatchError) Why() string {
	return fmt.Sprintf("%s differs: ours is %s, theirs is %s", e.Field, orNone(e.Ours), orNone(e.Theirs))
}

func orNone(s string) string {
	if s == "" {
		return "not set"
	}
	return s
}
