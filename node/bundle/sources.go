package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNone says that a source has nothing to say.
var errNone = errors.New("there is none")

// fromFile reads a file, and not more of it than an item may have.
func fromFile(path string) func(context.Context) ([]byte, error) {
	return func(context.Context) ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, 2*maxItem))
	}
}

// fromProgram runs a program, without a shell, and takes what it prints. What it says on standard error is the reason of a
// failure.
func fromProgram(name string, args ...string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		path, err := lookUp(name)
		if err != nil {
			return nil, err
		}
		var out, said limited
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Stdout, cmd.Stderr = &out, &said
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		err = cmd.Run()
		if ctx.Err() != nil {
			err = fmt.Errorf("it took longer than %v", patience)
		}
		if err != nil {
			return out.Bytes(), fmt.Errorf("%s: %w: %.500s", name, err, said.String())
		}
		return out.Bytes(), nil
	}
}

// lookUp finds a program, also where the PATH of a user ends too early.
func lookUp(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// limited takes what fits into an item, twice, and forgets the rest. It never fails: a program is not to be stopped half-way.
type limited struct{ bytes.Buffer }

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	room := max(0, 2*maxItem-l.Len())
	l.Buffer.Write(p[:min(len(p), room)])
	return len(p), nil
}

// fromJournal is the service's log, if systemd keeps one.
func fromJournal(ctx context.Context) ([]byte, error) {
	text, err := fromProgram("journalctl", "--unit", "weft", "--lines", "5000", "--no-pager", "--quiet", "--output", "short-iso-precise")(ctx)
	if err == nil && len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the journal has no line of unit weft")
	}
	return text, err
}

// fromValue is a value as JSON, unless err says why there is none.
func fromValue[T any](get func(context.Context) (T, error)) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		value, err := get(ctx)
		if err != nil {
			return nil, err
		}
		return json.MarshalIndent(value, "", "  ")
	}
}

// fromExporter asks the exporter of metrics, at an address of the configuration.
func fromExporter(address string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		if address == "" {
			return nil, errors.New("no metrics are configured")
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			return nil, err
		}
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s answered %s", address, resp.Status)
		}
		return io.ReadAll(io.LimitReader(resp.Body, 2*maxItem))
	}
}

// fromSettings reads the files below /proc/sys/net that match the patterns: one line for each. Some of them are keys, and are
// left out: tcp_fastopen_key, stable_secret, netdev_rss_key.
func fromSettings(patterns ...string) func(context.Context) ([]byte, error) {
	const root = "/proc/sys/net"
	return func(context.Context) ([]byte, error) {
		var text bytes.Buffer
		for _, pattern := range patterns {
			paths, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				name := strings.TrimPrefix(path, root+"/")
				if isKey(name) {
					continue
				}
				value, err := os.ReadFile(path)
				if errors.Is(err, fs.ErrNotExist) || err != nil && len(value) == 0 {
					continue // directories, and what is for writing only
				}
				fmt.Fprintf(&text, "net/%s = %s\n", name, strings.Join(strings.Fields(string(value)), " "))
			}
		}
		if text.Len() == 0 {
			return nil, errNone
		}
		return text.Bytes(), nil
	}
}

func isKey(name string) bool {
	return strings.Contains(name, "key") || strings.Contains(name, "secret")
}
