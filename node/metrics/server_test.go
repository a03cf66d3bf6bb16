package metrics

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weftnet/weft/node/api"
)

func here() (*api.Status, error) { return sample(2), nil }

func well() error { return nil }

// ask is one request to a handler.
func ask(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestTheHandlerAnswersMetricsThatPrometheusCanRead(t *testing.T) {
	w := ask(NewHandler(here, well), http.MethodGet, "/metrics")
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"weft_packets_total", "weft_peer_path", "process_resident_memory_bytes", "go_goroutines"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestTheHandlerAnswersNothingElse(t *testing.T) {
	h := NewHandler(here, well)
	for _, c := range []struct {
		method, path string
		code         int
	}{
		{http.MethodGet, "/healthz", http.StatusOK}, {http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound}, {http.MethodGet, "/debug/pprof/", http.StatusNotFound},
		{http.MethodPost, "/v1/stop", http.StatusNotFound}, {http.MethodGet, "/v1/status", http.StatusNotFound},
	} {
		if w := ask(h, c.method, c.path); w.Code != c.code {
			t.Errorf("%s %s = %d, want %d", c.method, c.path, w.Code, c.code)
		}
	}
}

func TestANodeThatFailsIsSaidToFail(t *testing.T) {
	broken := errors.New("lane 1 does not answer")
	h := NewHandler(func() (*api.Status, error) { return nil, broken }, func() error { return broken })
	for path, code := range map[string]int{"/metrics": http.StatusInternalServerError, "/healthz": http.StatusServiceUnavailable} {
		if w := ask(h, http.MethodGet, path); w.Code != code || !strings.Contains(w.Body.String(), broken.Error()) {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestANodeThatHangsHoldsFewRequestsAndAnswersThemAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var started atomic.Int64
		release := make(chan struct{})
		h := NewHandler(func() (*api.Status, error) { started.Add(1); <-release; return sample(0), nil }, well)
		codes := make(chan int)
		for range 3 * maxRequests {
			go func() { codes <- ask(h, http.MethodGet, "/metrics").Code }()
		}
		for range 3 * maxRequests {
			if code := <-codes; code != http.StatusServiceUnavailable {
				t.Errorf("a request that hangs gets %d", code)
			}
		}
		synctest.Wait()
		if got := started.Load(); got != maxRequests {
			t.Errorf("the node was asked %d times at once", got)
		}
		close(release)
		synctest.Wait()
		if w := ask(h, http.MethodGet, "/healthz"); w.Code != http.StatusOK {
			t.Errorf("afterwards %d %q", w.Code, w.Body)
		}
	})
}

// serving runs a server at address until the test ends, and hands over what it reports.
func serving(t *testing.T, address string) <-chan error {
	reports := make(chan error)
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{Address: address, Handler: NewHandler(here, well), Retry: 5 * time.Millisecond, Report: func(err error) {
		select {
		case reports <- err:
		case <-ctx.Done():
		}
	}}
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return reports
}

func TestAServerGetsItsAddressAsSoonAsItIsFreeAndLeavesItAtTheEnd(t *testing.T) {
	taken, err := net.Listen("tcp", "127.93.38.1:0") // an address of loopback that nothing else uses
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	t.Run("serve", func(t *testing.T) {
		reports := serving(t, address)
		for range 3 {
			if err := <-reports; !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("the address is taken; it reports %v", err)
			}
		}
		taken.Close()
		for err := range reports {
			if err == nil {
				break
			}
		}
		assertOK(t, "http://"+address+"/healthz")
	})
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the server has ended: %v", err)
	}
	again.Close()
}

func TestManyWhoAskAtOnceAllGetAnswers(t *testing.T) {
	h := NewHandler(here, well)
	codes := make(chan int)
	for range 50 {
		go func() { codes <- ask(h, http.MethodGet, "/metrics").Code }()
	}
	for range 50 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("got %d", code)
		}
	}
}

func TestCallersThatKeepTheirConnectionsKeepNobodyOut(t *testing.T) {
	free, err := net.Listen("tcp", "127.93.38.2:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	if err := <-serving(t, address); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxConnections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: "+address+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || !resp.Close {
			t.Fatalf("%v: the server keeps the connection", err)
		}
	}
	assertOK(t, "http://"+address+"/healthz")
}

func assertOK(t *testing.T, url string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); string(text) != "ok\n" {
		t.Errorf("%s answers %q, %v", url, text, err)
	}
}
