package secrets

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/trust"
)

// FuzzRecord gives a start the record of the one before in any condition.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"held":[{"id":"` + string(bytes.Repeat([]byte("0a"), 16)) + `","since":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":1,"rotation":{"old":"","new":"x"},"retired":[{}]}`))
	f.Add([]byte("null"))
	held := []trust.Secret{oldSecret}
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := fuzzDir(t)
		defer os.RemoveAll(dir)
		if err := os.WriteFile(filepath.Join(dir, RecordFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r, _ := readRecord(dir)
		r = r.holding(held, time.Unix(1_700_000_000, 0))
		if len(r.Held) != 1 || r.Held[0].Since.IsZero() || len(r.Retired) > maxRetired {
			t.Errorf("%q is read as %+v", raw, r)
		}
		if r.Rotation != nil && trust.SecretID(r.Rotation.New) != oldSecret.ID() {
			t.Errorf("%+v is followed without its secret", r.Rotation)
		}
	})
}

func fuzzDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "weft-fuzz")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// FuzzOffers has members offer what they like: each byte is an offer. Whatever they do, the node holds one or two secrets, those of
// its file, and none that was not given to it.
func FuzzOffers(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{1 | 4, 2 | 4, 3 | 4, 1 | 8, 2 | 8})
	given := []trust.Secret{oldSecret, {4, 5, 6}, {7, 8, 9}, {}}
	f.Fuzz(func(t *testing.T, offers []byte) {
		dir := fuzzDir(t)
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "secret")
		if err := os.WriteFile(file, []byte(oldSecret.Text()), 0o600); err != nil {
			t.Fatal(err)
		}
		held, err := trust.ReadSecrets(file)
		if err != nil {
			t.Fatal(err)
		}
		s := New(Config{File: file, Held: held, StateDir: dir, Log: slog.New(slog.DiscardHandler)})
		for _, b := range offers[:min(len(offers), 12)] {
			o := encap.SecretOffer{Phase: encap.SecretPhase(b & 3), Old: given[b>>2&3].ID(), New: given[b>>4&3].ID()}
			if b&64 == 0 {
				o.Secret = given[b>>4&3]
			}
			s.Follow(trust.Fingerprint{b}, o)
		}
		now, err := trust.ReadSecrets(file)
		if err != nil || !slices.Equal(now.Secrets, s.held) || len(s.held) > trust.MaxSecrets || s.ring.First().ClusterID != s.held[0].ID() {
			t.Errorf("after %x: %d secrets held, %v", offers, len(s.held), err)
		}
		for _, x := range s.held {
			if !slices.Contains(given[:3], x) {
				t.Error("a secret that nobody gave is held")
			}
		}
	})
}
