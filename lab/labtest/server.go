package labtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// A pod's server, as tests of pods write it with busybox, has these: random data, their sum as sha256sum prints it, and a program
// that says the server's hostname and the client's address.
const (
	DataPath = "/data"
	SumPath  = "/sum"
	WhoPath  = "/cgi-bin/who"
)

// Answer is what a pod's server says about a request.
type Answer struct {
	Pod    string     // that answered
	Source netip.Addr // from which the request came, as the pod sees it
}

// Ask asks a pod's server who it is and who asks.
func Ask(ctx context.Context, place Place, to netip.AddrPort) (a Answer, err error) {
	body, err := Fetch(ctx, place, to, WhoPath)
	if err != nil {
		return a, err
	}
	name, addr, _ := strings.Cut(strings.TrimSpace(string(body)), " ")
	a.Pod = name
	a.Source, err = netip.ParseAddr(strings.Trim(addr, "[]"))
	a.Source = a.Source.Unmap()
	return a, err
}

// Download gets the data of a pod's server and compares them with the sum that the server has made of them.
func Download(ctx context.Context, place Place, to netip.AddrPort) error {
	data, err := Fetch(ctx, place, to, DataPath)
	if err != nil {
		return err
	}
	want, err := Fetch(ctx, place, to, SumPath)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); len(data) == 0 || !strings.HasPrefix(string(want), got) {
		return fmt.Errorf("%d bytes from %s have sum %s, want %s", len(data), to, got, want)
	}
	return nil
}
