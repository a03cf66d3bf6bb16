package trust

import (
	"fmt"
	"log/slog"
)

// hidden is what is shown in place of a secret, whatever the verb, handler or encoder.
const hidden = "(secret)"

// String hides the secret.
func (s Secret) String() string { return hidden }

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON hides the secret from JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// String hides the keys.
func (k Keys) String() string { return hidden }

// Format hides the keys from every verb of package fmt.
func (k Keys) Format(f fmt.State, _ rune) { fmt.Fprint(f, hidden) }

// LogValue hides the keys from slog.
func (k Keys) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON hides the keys from JSON.
func (k Keys) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Format hides the secrets, and what else is in the file, from every verb of package fmt.
func (f SecretFile) Format(s fmt.State, _ rune) { fmt.Fprint(s, hidden) }

// LogValue hides the secrets, and what else is in the file, from slog.
func (f SecretFile) LogValue() slog.Value { return slog.StringValue(hidden) }

// String names the identity without its private keys.
func (i Identity) String() string { return i.Fingerprint().Short() }

// Format shows the name of the identity for every verb of package fmt, never its private keys.
func (i Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, i.String()) }

// LogValue is the name of the identity.
func (i Identity) LogValue() slog.Value { return slog.StringValue(i.String()) }
