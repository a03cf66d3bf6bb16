package labtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// RequestWithin bounds one request: a lost SYN is sent again after one, two and four seconds.
const RequestWithin = 10 * time.Second

// Fetch gets a file by HTTP from where sockets are opened at place, on a connection of its own.
func Fetch(ctx context.Context, place Place, to netip.AddrPort, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestWithin)
	defer cancel()
	return Get(ctx, &http.Transport{DialContext: DialFrom(place)}, "http://"+to.String()+path)
}

// DialFrom opens TCP connections at a place.
func DialFrom(place Place) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
		err = place.Do(func() (err error) {
			conn, err = new(net.Dialer).DialContext(ctx, network, addr)
			return err
		})
		return conn, err
	}
}

// Get gets what is at an URL, on a connection of its own. Another status than 200 is an error.
func Get(ctx context.Context, transport *http.Transport, url string) ([]byte, error) {
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
