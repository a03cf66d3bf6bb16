package k8s

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/netip"
	"os"
	"testing"

	"github.com/weftnet/weft/lab/labtest"
)

// mustAsk is labtest.Ask where it must be answered.
func mustAsk(t *testing.T, place labtest.Place, to netip.AddrPort) labtest.Answer {
	t.Helper()
	a, err := labtest.Ask(within(t, labtest.RequestWithin), place, to)
	if err != nil {
		t.Fatalf("ask %s: %v", to, err)
	}
	return a
}

// askServer asks the server of the API for its version, by its service, and trusts nobody else to answer.
func (c *Cluster) askServer(ctx context.Context, place labtest.Place) ([]byte, error) {
	raw, err := os.ReadFile(c.pki.path("ca.crt"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(raw)
	transport := &http.Transport{DialContext: labtest.DialFrom(place), TLSClientConfig: &tls.Config{RootCAs: trusted}}
	return labtest.Get(ctx, transport, "https://"+serviceAPI+"/version")
}
