package node

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/weftnet/weft/node/config"
)

func TestLevelAndFormatOfTheLogChangeForLoggersThatWereMadeBeforeToo(t *testing.T) {
	var out bytes.Buffer
	cfg := config.Default()
	log := newLogger(cfg, &out)
	derived := log.With("lane", 3).WithGroup("peer").With("name", "vm-2")
	derived.Debug("test.unheard")
	derived.Info("test.text", "rtt", 7)
	if got := out.String(); strings.Contains(got, "unheard") || !strings.Contains(got, "msg=test.text lane=3 peer.name=vm-2 peer.rtt=7\n") {
		t.Errorf("as text: %q", got)
	}
	out.Reset()
	cfg.LogLevel, cfg.LogFormat = slog.LevelDebug, "json"
	log.Handler().(*logHandler).set(&cfg)
	derived.Debug("test.json", "rtt", 7)
	var line struct {
		Msg  string
		Lane int
		Peer struct {
			Name string
			RTT  int
		}
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %q", err, out.String())
	}
	if line.Msg != "test.json" || line.Lane != 3 || line.Peer.Name != "vm-2" || line.Peer.RTT != 7 {
		t.Errorf("as JSON: %q", out.String())
	}
}

func TestLinesAreWholeWhileTheFormatChanges(t *testing.T) {
	var out bytes.Buffer
	cfg := config.Default()
	log := newLogger(cfg, &out)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 200 {
				log.Info("test.line", "text", "0123456789")
			}
		})
	}
	for i := range 50 {
		cfg.LogFormat = []string{"text", "json"}[i%2]
		log.Handler().(*logHandler).set(&cfg)
	}
	writers.Wait()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines {
		if !strings.HasSuffix(line, `0123456789`) && !strings.HasSuffix(line, `0123456789"}`) {
			t.Fatalf("a broken line: %q", line)
		}
	}
	if len(lines) != 800 {
		t.Errorf("%d lines, want 800", len(lines))
	}
}
