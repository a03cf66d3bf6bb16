package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// redacted stands where a key was.
const redacted = "(removed)"

// token is what 'weft init' and 'weft token' hand out, as far as it can be told from other text.
var token = regexp.MustCompile(`weft[0-9]{1,4}\.[A-Za-z0-9_-]{16,}`)

// redactor takes keys out of items.
type redactor struct {
	forms  [][]byte // whole keys
	digits [][]byte // of keys in base64
}

// pathLine is a line of a configuration that names a file with keys, whether the whole can be read or not.
var pathLine = regexp.MustCompile(`(?m)^[ \t]*["']?(secret_file|state_dir)["']?[ \t]*:[ \t]*["']?([^"'\s#]+)`)

// newRedactor knows the keys of the configuration in force, of those that the file names (it may have been changed since, or
// be one that does not parse) and of those at the default places, and what is derived from them. What of these cannot be read
// it does not know: beside tokens, no other text is known for a key.
func newRedactor(cfg *config.Config, file string) *redactor {
	r := new(redactor)
	r.learnSecret(config.DefaultSecretFile)
	r.learnIdentity(config.DefaultStateDir)
	if cfg != nil {
		r.learnSecret(cfg.SecretFile)
		r.learnIdentity(cfg.StateDir)
	}
	text, _ := os.ReadFile(file) // one that is not there names nothing
	for _, line := range pathLine.FindAllSubmatch(text, -1) {
		if string(line[1]) == "secret_file" {
			r.learnSecret(string(line[2]))
		} else {
			r.learnIdentity(string(line[2]))
		}
	}
	return r
}

func (r *redactor) learnSecret(file string) {
	f, err := trust.ReadSecrets(file)
	if err != nil {
		return
	}
	for _, secret := range f.Secrets {
		keys := secret.Derive()
		for _, k := range [][32]byte{secret, keys.Gossip, keys.Stream, keys.PSK, keys.MAC, keys.Token} {
			r.learn(k[:])
		}
	}
}

func (r *redactor) learnIdentity(stateDir string) {
	seed, err := os.ReadFile(filepath.Join(stateDir, trust.IdentityFile))
	if err != nil {
		return
	}
	r.learn(seed)
	if id, err := trust.NewIdentity(seed); err == nil {
		dh := id.DHPrivate()
		r.learn(dh[:])
	}
}

// leastKey is the length of the shortest key, in bytes: less would be found everywhere.
const leastKey = 16

// learn adds the forms of a key.
func (r *redactor) learn(key []byte) {
	if len(key) < leastKey {
		return
	}
	digits := hex.EncodeToString(key)
	r.forms = append(r.forms, key, []byte(digits), []byte(strings.ToUpper(digits)))
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			r.digits = append(r.digits, within64(alphabet, key, before))
		}
	}
}

// within64 is what of key is seen in the base64 of something longer, in which it lies before bytes behind a multiple of 3: the
// digits that are made of its bits alone.
func within64(alphabet *base64.Encoding, key []byte, before int) []byte {
	text := alphabet.EncodeToString(append(make([]byte, before), key...))
	first := (8*before + 5) / 6
	last := 8 * (before + len(key)) / 6
	return []byte(text[first:last])
}

// redact replaces every key in data: tokens first, which hold the secret and more.
func (r *redactor) redact(data []byte) []byte {
	data = token.ReplaceAll(data, []byte(redacted))
	for _, form := range r.forms {
		data = bytes.ReplaceAll(data, form, []byte(redacted))
	}
	for _, digits := range r.digits {
		data = cut64(data, digits)
	}
	return data
}

// cut64 replaces digits of base64, and the one before and behind, which are in part made of the same key.
func cut64(data, digits []byte) []byte {
	var out []byte
	for {
		at := bytes.Index(data, digits)
		if at < 0 {
			return append(out, data...)
		}
		end := at + len(digits)
		if at > 0 && is64(data[at-1]) {
			at--
		}
		if end < len(data) && is64(data[end]) {
			end++
		}
		out = append(append(out, data[:at]...), redacted...)
		data = data[end:]
	}
}

// is64 reports whether b is a digit of base64, in either alphabet.
func is64(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '+' || b == '/' || b == '-' || b == '_'
}
