package k8s

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/lab/labtest"
)

// requestWithin bounds one request: a lost SYN is sent again after one, two and four seconds.
const requestWithin = 10 * time.Second

// fetch gets a file by HTTP from where sockets are opened at place, on a connection of its own.
func fetch(ctx context.Context, place labtest.Place, to netip.AddrPort, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	return get(ctx, &http.Transport{DialContext: dialFrom(place)}, "http://"+to.String()+path)
}

// dialFrom opens TCP connections at a place.
func dialFrom(place labtest.Place) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = place.Do(func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}
}

// get gets what is at an URL.
func get(ctx context.Context, transport *http.Transport, url string) ([]byte, error) {
	transport.DisableKeepAlives = true
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return body, err
}

// answer is what a pod of testdata/pods.yaml says about a request.
type answer struct {
	pod    string     // that answered
	source netip.Addr // from which the request came, as the pod sees it
}

// ask asks a pod of testdata/pods.yaml who it is and who asks.
func ask(ctx context.Context, place labtest.Place, to netip.AddrPort) (a answer, err error) {
	body, err := fetch(ctx, place, to, "/cgi-bin/who")
	if err != nil {
		return a, err
	}
	name, addr, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	a.pod = name
	a.source, err = netip.ParseAddr(strings.Trim(addr, "[]"))
	a.source = a.source.Unmap()
	return a, err
}

// mustAsk is ask where it must be answered.
func mustAsk(t *testing.T, place labtest.Place, to netip.AddrPort) answer {
	t.Helper()
	a, err := ask(within(t, requestWithin), place, to)
	if err != nil {
		t.Fatalf("ask %s: %v", to, err)
	}
	return a
}

// download gets the data of a pod and compares them with the sum that the pod has made of them.
func download(t *testing.T, place labtest.Place, to netip.AddrPort) {
	t.Helper()
	ctx := within(t, time.Minute)
	data, err := fetch(ctx, place, to, "/data")
	if err != nil {
		t.Errorf("download from %s: %v", to, err)
		return
	}
	want, err := fetch(ctx, place, to, "/sum")
	if err != nil {
		t.Errorf("sum of %s: %v", to, err)
		return
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); !strings.HasPrefix(string(want), got) {
		t.Errorf("%d bytes from %s have sum %s, want %s", len(data), to, got, want)
	}
}

// askServer asks the server of the API for its version, by its service, and trusts nobody else to answer.
func (c *Cluster) askServer(ctx context.Context, place labtest.Place) ([]byte, error) {
	raw, err := os.ReadFile(c.pki.path("ca.crt"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(raw)
	transport := &http.Transport{DialContext: dialFrom(place), TLSClientConfig: &tls.Config{RootCAs: trusted}}
	return get(ctx, transport, "https://"+serviceAPI+"/version")
}
