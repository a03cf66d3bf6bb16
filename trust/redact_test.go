package trust

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNoWayOfPrintingShowsASecret(t *testing.T) {
	secret := Secret(bytes.Repeat([]byte{0xa5}, SecretLen))
	identity, err := NewIdentity(bytes.Repeat([]byte{0x5a}, seedLen))
	if err != nil {
		t.Fatal(err)
	}
	keys, dh := secret.Derive(), identity.DHPrivate()
	file, err := ParseSecrets(secret.Text() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	json1 := slog.New(slog.NewJSONHandler(&logs, nil))
	text := slog.New(slog.NewTextHandler(&logs, nil))
	for _, v := range []any{secret, keys, identity, *identity, &secret, &keys, file, *file} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&logs, verb+"\n", v)
		}
		json1.Info("x", "v", v)
		text.Info("x", "v", v)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		logs.Write(raw)
	}
	if strings.Contains(logs.String(), secret.Text()[:8]) {
		t.Error("the secret shows as its text")
	}
	shown := strings.ToLower(logs.String())
	for name, private := range map[string][]byte{"secret": secret[:], "gossip key": keys.Gossip[:], "psk": keys.PSK[:], "dh": dh[:]} {
		decimal := strings.Trim(fmt.Sprint(private[:4]), "[]")
		for _, form := range []string{hex.EncodeToString(private[:4]), decimal, strings.ReplaceAll(decimal, " ", ",")} {
			if strings.Contains(shown, form) {
				t.Errorf("the %s shows as %q", name, form)
			}
		}
	}
}
