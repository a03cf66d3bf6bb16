package node

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

func TestThatMetricsCannotBeServedIsSaidOnce(t *testing.T) {
	var log bytes.Buffer
	n := &Node{log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 5 {
		n.noteMetrics(config.DefaultMetrics, errors.New("address already in use"))
	}
	if got := strings.Count(log.String(), "node.metrics.unavailable"); got != 1 {
		t.Errorf("said %d times:\n%s", got, log.String())
	}
	if d := n.state.degraded(); len(d) != 1 || d[0].What != "metrics" || !strings.Contains(d[0].Reason, "already in use") {
		t.Errorf("degraded %+v", d)
	}
	n.noteMetrics(config.DefaultMetrics, nil)
	if d := n.state.degraded(); len(d) != 0 {
		t.Errorf("degraded %+v", d)
	}
}

// freeAddress is an address of loopback that nothing else uses, with a port that is free there.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.93.38.2:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func page(url string) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestMetricsMoveWithAReloadAndEndWithTheNode(t *testing.T) {
	m, _ := realTime(t)
	for range 2 {
		address := freeAddress(t)
		cfg := *m.node.config()
		cfg.Metrics = address
		must(t, m.node.apply(&cfg))
		awaitPage(t, "http://"+address+"/healthz", "ok\n")
		text, err := page("http://" + address + "/metrics")
		if err != nil || !strings.Contains(text, `weft_node_info{`) || !strings.Contains(text, `name="node-1"`) {
			t.Errorf("%v:\n%s", err, text)
		}
		none := cfg
		none.Metrics = ""
		must(t, m.node.apply(&none))
		awaitPage(t, "http://"+address+"/healthz", "")
	}
}

// awaitPage waits until a page has that text; empty: until nobody answers.
func awaitPage(t *testing.T, url, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		text, err := page(url)
		if text == want && (err == nil) == (want != "") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is %q, %v; want %q", url, text, err, want)
		}
	}
}

func TestStatusCountsMembersClaimsAndHandshakes(t *testing.T) {
	bubble(t, lan, func(t *testing.T, s *site) {
		a, b := s.machine(1), s.machine(2)
		a.start()
		b.start()
		within(t, 2*time.Second, "both route to both", joinedUp(a, b))
		n, p := a.status().Node, a.peer("node-2")
		if n.Members != (api.Members{Known: 1, Alive: 1}) || n.Claims != 2 || n.Config.Rejected || n.Config.Loaded.IsZero() {
			t.Errorf("%+v, %d claims, %+v", n.Members, n.Claims, n.Config)
		}
		if !p.Session || p.Handshakes == 0 || time.Since(p.LastHandshake) > 5*time.Second {
			t.Errorf("%+v", p)
		}
		within(t, 5*time.Minute, "keys are replaced", func() bool { return a.peer("node-2").Rekeys > p.Rekeys })
		if q := a.peer("node-2"); q.Handshakes <= p.Handshakes || !q.LastHandshake.After(p.LastHandshake) {
			t.Errorf("%+v, before %+v", q, p)
		}
		b.stop()
		within(t, 5*time.Second, "the peer is away", func() bool { return a.peer("node-2").State == api.StateAway })
		within(t, 20*time.Second, "the member has left", func() bool { return a.status().Node.Members == api.Members{Known: 1, Left: 1} })
		if slices.ContainsFunc(a.status().Peers, func(p api.Peer) bool { return p.Session }) {
			t.Error("a peer that said goodbye has keys")
		}
	})
}
