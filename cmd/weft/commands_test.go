package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// weft runs a command line in this process.
func weft(t *testing.T, stdout io.Writer, args ...string) (code int, said string) {
	t.Helper()
	var stderr bytes.Buffer
	code = run(t.Context(), args, stdout, &stderr)
	return code, stderr.String()
}

// host are the flags of a host of its own, under a directory.
func host(dir string) []string {
	return []string{"--config", filepath.Join(dir, "weft.yaml"), "--secret-file", filepath.Join(dir, "secret"), "--advertise", "192.0.2.1"}
}

// full is an output on which nothing can be written.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

func TestWhatCannotBePrintedIsAnError(t *testing.T) {
	dir := t.TempDir()
	if code, said := weft(t, io.Discard, append([]string{"init"}, host(dir)...)...); code != 0 {
		t.Fatal(said)
	}
	for _, args := range [][]string{
		{"secret"}, {"version"}, {"version", "--json"}, {"help"}, {"--help"}, {"completion", "bash"},
		append([]string{"token"}, host(dir)...),
		append([]string{"init"}, host(t.TempDir())...),
	} {
		code, said := weft(t, full{}, args...)
		if code != 1 || !strings.HasPrefix(said, "weft: ") || strings.Count(said, "\n") != 1 || !strings.Contains(said, "no space left") {
			t.Errorf("%v: exit code %d, %q", args, code, said)
		}
	}
}

func TestInitThatCannotPrintItsTokenCanSimplyBeTriedAgain(t *testing.T) {
	dir := t.TempDir()
	args := append([]string{"init"}, host(dir)...)
	if code, _ := weft(t, full{}, args...); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	var token bytes.Buffer
	if code, said := weft(t, &token, args...); code != 0 {
		t.Fatalf("the second try: %d, %s", code, said)
	}
	if _, err := trust.ParseToken(token.String()); err != nil {
		t.Errorf("it printed %q: %v", token.String(), err)
	}
}

func TestTheTokenFileTakesTheTokenThatTheTokenCommandPrints(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	var nothing, again bytes.Buffer
	if code, said := weft(t, &nothing, append([]string{"init", "--token-file", file}, host(dir)...)...); code != 0 || nothing.Len() > 0 {
		t.Fatalf("%d, %s, %s", code, nothing.String(), said)
	}
	if code, said := weft(t, &again, append([]string{"token"}, host(dir)...)...); code != 0 {
		t.Fatal(said)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != again.String() {
		t.Errorf("the file holds %q, and 'weft token' printed %q (%v)", text, again.String(), err)
	}
	code, said := weft(t, io.Discard, append([]string{"init", "--token-file", file}, host(t.TempDir())...)...)
	if code != 2 || !strings.Contains(said, file) || !strings.Contains(said, "exists already") {
		t.Errorf("over a token that exists: %d, %s", code, said)
	}
}

func TestAFlagOfJoinThatContradictsTheTokenIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if code, said := weft(t, io.Discard, append([]string{"init", "--token-file", file}, host(dir)...)...); code != 0 {
		t.Fatal(said)
	}
	for flag, want := range map[string][]string{
		"--encryption=off":      {"encryption", "off", "on"},
		"--network=10.1.0.0/16": {"network", "10.1.0.0/16", "10.244.0.0/16"},
		"--subnet-size=25":      {"subnet_size", "25,64", "24,64"},
		"--bootstrap":           {"bootstrap", "first"},
	} {
		code, said := weft(t, io.Discard, append([]string{"join", "--token-file", file, flag}, host(t.TempDir())...)...)
		if code != 2 || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", flag, code, said)
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("%s: %q does not name %s", flag, said, w)
			}
		}
	}
}

func TestADemoWithABadFlagIsRefusedBeforeAnythingIsBuilt(t *testing.T) {
	for _, args := range [][]string{{"--encryption", "maybe"}, {"--driver", "foo"}} {
		code, said := weft(t, io.Discard, append([]string{"demo"}, args...)...)
		if code != 2 || strings.Count(said, "\n") != 1 || !strings.Contains(said, args[0]) || !strings.Contains(said, args[1]) {
			t.Errorf("%v: exit code %d, %q", args, code, said)
		}
	}
}

func TestAnErrorIsOneLineThatNamesNoRooms(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{errors.New("node: listen: encap: bind: address in use"), "listen: bind: address in use"},
		{errors.New("kernel: kernel: set route"), "set route"},
		{fmt.Errorf("secret_file: %w", errors.New("trust: read secret: no such file")), "secret_file: read secret: no such file"},
		{errors.Join(errors.New("tun: first"), errors.New("lab: second")), "first; second"},
		{errors.New("cannot name a node: so"), "cannot name a node: so"},
	} {
		if got := oneLine(test.err); got != test.want {
			t.Errorf("oneLine(%q) = %q, want %q", test.err, got, test.want)
		}
	}
}

func TestACancelledCommandSaysThatItWasInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said bytes.Buffer
	args := []string{"status", "--socket", filepath.Join(t.TempDir(), config.SocketName)}
	if code := run(ctx, args, io.Discard, &said); code != 1 || said.String() != "weft: interrupted\n" {
		t.Errorf("exit code %d, %q", code, said.String())
	}
}
