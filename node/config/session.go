package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/weftnet/weft/encap"
)

// What keys of a session may be set to. The shortest is for tests: each rekey is a handshake, some 0.3 ms of a CPU at either end.
const (
	defaultRekey = 2 * time.Minute
	minRekey     = 5 * time.Second
	maxRekey     = time.Hour
)

// Ciphers are those that a session may use, in order of preference.
func (c *Config) Ciphers() []encap.Cipher {
	if c.Cipher == 0 {
		return encap.PreferredCiphers()
	}
	return []encap.Cipher{c.Cipher}
}

func setCipher(c *Config, v []string) error {
	if v[0] == "auto" {
		c.Cipher = 0
		return nil
	}
	for _, known := range encap.PreferredCiphers() {
		if v[0] == cipherText(known) {
			c.Cipher = known
			return nil
		}
	}
	return fmt.Errorf("%q is not auto, aes-256-gcm or chacha20-poly1305", v[0])
}

// cipherText is a cipher as the configuration names it.
func cipherText(c encap.Cipher) string {
	if c == 0 {
		return "auto"
	}
	return strings.ToLower(c.String())
}

func setRekey(c *Config, v []string) error {
	age, err := time.ParseDuration(v[0])
	if err != nil || age < minRekey || age > maxRekey {
		return fmt.Errorf("%q is not a duration from %s to %s, such as 2m", v[0], durationText(minRekey), durationText(maxRekey))
	}
	c.Rekey = age
	return nil
}

// durationText is a duration without the units that are zero: 2m, not 2m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
