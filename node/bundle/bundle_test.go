package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/doctor"
	"github.com/weftnet/weft/trust"
)

// host is the configuration of a host with a secret and a node key, and a token of its cluster.
func host(t *testing.T) (cfg *config.Config, secret trust.Secret, seed []byte, token string) {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.SecretFile, c.StateDir = filepath.Join(dir, "secret"), dir
	random := rand.NewChaCha8([32]byte{1})
	secret, err := trust.NewSecret(random)
	must(t, err)
	seed = make([]byte, 32)
	random.Read(seed)
	must(t, os.WriteFile(c.SecretFile, []byte(secret.Text()), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, trust.IdentityFile), seed, 0o600))
	token, err = trust.Token{Secret: secret, Join: []string{"192.0.2.1:9338"}, Network: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}}.Text()
	must(t, err)
	return &c, secret, seed, token
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shows reports whether text holds a key in any form: its bytes, its digits, or base64 of anything around it.
func shows(text, key []byte) bool {
	if bytes.Contains(text, key) || bytes.Contains(bytes.ToLower(text), []byte(hex.EncodeToString(key))) {
		return true
	}
	for at := range text { // whatever decodes to the key is base64 of it
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			piece := text[at:min(len(text), at+64)]
			n := 0
			for n < len(piece) && strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", rune(piece[n])) {
				n++
			}
			raw, _ := alphabet.DecodeString(string(piece[:n/4*4]))
			if bytes.Contains(raw, key[:24]) {
				return true
			}
		}
	}
	return false
}

func TestKeysAreTakenOutInAllTheirForms(t *testing.T) {
	cfg, secret, seed, token := host(t)
	psk := secret.Derive().PSK
	r := newRedactor(cfg, "")
	for name, key := range map[string][]byte{"secret": secret[:], "node key": seed, "session key": psk[:]} {
		for form, text := range map[string]string{
			"bytes": string(key), "digits": hex.EncodeToString(key), "capital digits": strings.ToUpper(hex.EncodeToString(key)),
			"base64": base64.StdEncoding.EncodeToString(key), "for URLs": base64.RawURLEncoding.EncodeToString(key),
			"behind one":  base64.StdEncoding.EncodeToString(append([]byte("x"), key...)),
			"between two": base64.URLEncoding.EncodeToString(append(append([]byte("xy"), key...), "zz"...)),
		} {
			line := []byte("before " + text + " after\n")
			if !shows(line, key) {
				t.Fatalf("%s as %s is not seen before", name, form)
			}
			got := r.redact(line)
			if shows(got, key) || !bytes.HasPrefix(got, []byte("before ")) || !bytes.HasSuffix(got, []byte(" after\n")) {
				t.Errorf("%s as %s leaves %q", name, form, got)
			}
		}
	}
	if got := string(r.redact([]byte("join with " + token + " now"))); got != "join with (removed) now" {
		t.Errorf("a token leaves %q", got)
	}
	if got := string(new(redactor).redact([]byte("token " + token))); got != "token (removed)" {
		t.Errorf("without a configuration a token leaves %q", got)
	}
}

// A report is made above all when something is wrong with the configuration.
func TestKeysOfAConfigurationThatCannotBeReadAreTakenOut(t *testing.T) {
	cfg, secret, seed, _ := host(t)
	file := filepath.Join(t.TempDir(), "weft.yaml")
	text := fmt.Sprintf("netwrk: [\nsecret_file: %s # ours\n  \"state_dir\" : '%s'\n", cfg.SecretFile, cfg.StateDir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRedactor(nil, file)
	for name, key := range map[string][]byte{"secret": secret[:], "node key": seed} {
		if got := r.redact([]byte("before " + base64.StdEncoding.EncodeToString(key) + " after")); shows(got, key) {
			t.Errorf("%s leaves %q", name, got)
		}
	}
}

func TestAKeyIsFoundInBase64OfAnythingAroundIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "key")
		before, after := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "before"), rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "after")
		r := new(redactor)
		r.learn(key)
		text := base64.StdEncoding.EncodeToString(append(append(bytes.Clone(before), key...), after...))
		if got := r.redact([]byte(text)); !bytes.Contains(got, []byte(redacted)) {
			rt.Errorf("%s stays", text)
		}
	})
}

// unpacked is an archive by the names of its files, without their directory.
func unpacked(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(data))
	must(t, err)
	files := map[string][]byte{}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		if h.Mode != 0o600 {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatCouldNotBeHadIsListedWithTheReason(t *testing.T) {
	says := func(data []byte, err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return data, err }
	}
	items := collect(t.Context(), []item{
		{name: "whole", source: says([]byte("text"), nil)},
		{name: "missing", source: says(nil, errors.New("no such\nprogram"))},
		{name: "half", source: says([]byte("ha"), errors.New("killed"))},
		{name: "long", source: says(append(make([]byte, maxItem), "end"...), nil)},
		{name: "log", source: says(append(make([]byte, maxItem), "end"...), nil), tail: true},
	})
	bound(items)
	var out bytes.Buffer
	must(t, write(&out, items, Options{Name: "x"}))
	files := unpacked(t, out.Bytes())
	if len(files) != 5 || string(files["whole"]) != "text" || string(files["half"]) != "ha" || !bytes.HasSuffix(files["log"], []byte("end")) ||
		len(files["long"]) != maxItem || bytes.HasSuffix(files["long"], []byte("end")) {
		t.Errorf("%d files", len(files))
	}
	for _, want := range []string{"missing  missing        no such program", "half     2 bytes", "killed", fmt.Sprintf("%d of %d bytes", maxItem, maxItem+3)} {
		if !strings.Contains(string(files[ContentsFile]), want) {
			t.Errorf("contents lack %q:\n%s", want, files[ContentsFile])
		}
	}
}

func TestTheArchiveIsBounded(t *testing.T) {
	items := make([]item, 2*maxArchive/maxItem)
	for i := range items {
		items[i].data = make([]byte, maxItem)
	}
	bound(items)
	total := 0
	for _, i := range items {
		total += len(i.data)
	}
	if total != maxArchive || items[len(items)-1].note == "" {
		t.Errorf("%d bytes, the last says %q", total, items[len(items)-1].note)
	}
}

func TestAProgramThatFailsOrIsMissingIsAReasonAndNoEnd(t *testing.T) {
	if _, err := fromProgram("weft-no-such-program")(t.Context()); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("%v", err)
	}
	out, err := fromProgram("ls", "/", "/no/such/file")(t.Context())
	if err == nil || !strings.Contains(err.Error(), "/no/such/file") || !strings.Contains(string(out), "etc") {
		t.Errorf("%q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := fromProgram("sleep", "60")(ctx); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("%v", err)
	}
}

func TestKeysOfTheKernelAreNotAmongItsSettings(t *testing.T) {
	text, err := fromSettings("ipv4/*", "ipv6/conf/all/*", "core/*")(t.Context())
	must(t, err)
	for _, never := range []string{"tcp_fastopen_key", "stable_secret", "rss_key"} {
		if strings.Contains(string(text), never) {
			t.Errorf("%s is there", never)
		}
	}
	if !strings.Contains(string(text), "net/ipv4/ip_forward = ") || !strings.Contains(string(text), "net/core/rmem_max = ") {
		t.Errorf("%.300s", text)
	}
}

func TestAFileIsWrittenForItsOwnerAloneAndReplacesNone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.tar.gz")
	o := Options{Name: "r", Time: time.Unix(1, 0), Look: doctor.Options{Socket: filepath.Join(dir, "none"), Config: filepath.Join(dir, "none.yaml"), Device: "weft0"}}
	must(t, WriteFile(t.Context(), path, o))
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	must(t, err)
	files := unpacked(t, data)
	if !strings.Contains(string(files[ContentsFile]), "weft is not running") || len(files["doctor.json"]) == 0 || len(files["network/snmp"]) == 0 {
		t.Errorf("%s", files[ContentsFile])
	}
	if err := WriteFile(t.Context(), path, o); !errors.Is(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WriteFile(ended, filepath.Join(dir, "other.tar.gz"), o); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestTheNameOfAnArchiveIsAPlainFileName(t *testing.T) {
	if got := Name("vm 1/../x", time.Unix(0, 0)); got != "weft-report-vm-1-..-x-19700101T000000Z" {
		t.Errorf("%q", got)
	}
}
