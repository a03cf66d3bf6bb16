package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"
)

var (
	caller    = netip.MustParseAddrPort("192.0.2.1:9338")
	elsewhere = netip.MustParseAddrPort("192.0.2.1:9339")
)

// ask has b answer an initiation of a with a cookie, as one that came from an address.
func ask(t *testing.T, c *Cookies, a *node, from netip.AddrPort, now time.Time) (initiation, reply []byte) {
	t.Helper()
	initiation = a.initiation(t, now)
	if c.Proves(initiation, from, now) {
		t.Fatal("an initiation without a cookie has one")
	}
	reply, err := c.Reply(nil, marked(t, c.local, initiation), from, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(reply) > len(initiation) {
		t.Errorf("a cookie frame of %d bytes answers %d bytes", len(reply), len(initiation))
	}
	return initiation, reply
}

func TestCookieProvesTheAddressItWasSentTo(t *testing.T) {
	a, b := pair(t)
	c := NewCookies(b.local)
	_, reply := ask(t, c, a, caller, start)
	if _, err := a.TakeCookie(reply, start); err != nil {
		t.Fatal(err)
	}
	again := a.initiation(t, start)
	if marked(t, b.local, again); !c.Proves(again, caller, start) {
		t.Error("an initiation with a cookie does not prove its address")
	}
	if c.Proves(again, elsewhere, start) {
		t.Error("it proves another port as well")
	}
	response, err := b.answer(t, again, start)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Complete(response, start); err != nil {
		t.Error(err)
	}
}

func TestCookieEnds(t *testing.T) {
	a, b := pair(t)
	c := NewCookies(b.local)
	_, reply := ask(t, c, a, caller, start)
	if _, err := a.TakeCookie(reply, start); err != nil {
		t.Fatal(err)
	}
	frame := a.initiation(t, start.Add(cookieLife-cookieMargin-1))
	for after, want := range map[time.Duration]bool{
		cookieLife - 1: true, cookieLife: true, 2*cookieLife - 1: true, // until the key after its own is replaced
	} {
		if got := c.Proves(frame, caller, start.Add(after)); got != want {
			t.Errorf("after %v: %v", after, got)
		}
	}
	if c.Proves(frame, caller, start.Add(5*cookieLife)) {
		t.Error("a cookie outlives its key and the one after")
	}
	if last := a.initiation(t, start.Add(cookieLife-cookieMargin)); last[1]&FlagCookie != 0 {
		t.Error("an initiation carries a cookie that is too old")
	}
}

func TestCookieIsForOneInitiationOfOneNode(t *testing.T) {
	a, b := pair(t)
	stranger := newNode(testLocal(t, 3), b.local, 1)
	c := NewCookies(b.local)
	_, reply := ask(t, c, a, caller, start)
	stranger.initiation(t, start)
	if _, err := stranger.TakeCookie(reply, start); !errors.Is(err, ErrUnexpected) {
		t.Errorf("a cookie for another node: %v", err)
	}
	for bit := range 8 * len(reply) {
		if _, err := a.TakeCookie(flip(reply, bit), start); err == nil {
			t.Errorf("taken with bit %d flipped", bit)
		}
	}
	for n := range len(reply) {
		if _, err := a.TakeCookie(reply[:n], start); err == nil {
			t.Errorf("taken with %d of %d bytes", n, len(reply))
		}
	}
	for range maxWaiting {
		if next := a.initiation(t, start); next[1]&FlagCookie != 0 {
			t.Fatal("a forged cookie is used")
		}
	}
	if _, err := a.TakeCookie(reply, start); !errors.Is(err, ErrUnexpected) {
		t.Errorf("a cookie for an initiation that waits no more: %v", err)
	}
}

func TestACookieForAnEarlierInitiationIsKeptForTheNext(t *testing.T) {
	a, b := pair(t)
	_, reply := ask(t, NewCookies(b.local), a, caller, start)
	a.initiation(t, start)
	if again, err := a.TakeCookie(reply, start); again || err != nil {
		t.Errorf("again %v, %v; one was made since", again, err)
	}
	if next := a.initiation(t, start); next[1]&FlagCookie == 0 {
		t.Error("the cookie is not used")
	}
}

func TestMarkOfTheCookieCannotBeTakenOffOrPutOn(t *testing.T) {
	a, b := pair(t)
	c := NewCookies(b.local)
	plain, reply := ask(t, c, a, caller, start)
	if _, err := a.TakeCookie(reply, start); err != nil {
		t.Fatal(err)
	}
	marked := a.initiation(t, start)
	off := bytes.Clone(marked[:len(marked)-macLen])
	off[1] &^= FlagCookie
	on := append(bytes.Clone(plain), make([]byte, macLen)...)
	on[1] |= FlagCookie
	for name, frame := range map[string][]byte{"off": off, "on": on, "cut": marked[:len(marked)-1]} {
		if _, ok := b.local.Marked(frame); ok {
			t.Errorf("%s: the frame counts as marked", name)
		}
		if _, err := b.local.ReadInitiation(frame); err == nil {
			t.Errorf("%s: the frame is read", name)
		}
	}
}

func TestResponseIsNeverLongerThanItsInitiation(t *testing.T) {
	a, b := pair(t)
	b.local.Settings.Build = BuildName("a build with a very long name, as long as a name of a build may be")
	initiation := a.initiation(t, start)
	response, err := b.answer(t, initiation, start)
	if err != nil || len(response) > len(initiation) {
		t.Errorf("a response of %d bytes to %d bytes, %v", len(response), len(initiation), err)
	}
}

func TestShortInitiationGetsNoLongResponse(t *testing.T) {
	a, b := pair(t)
	p := a.initiationPayload()
	p.Padding, p.Name = nil, ""
	raw, err := encode(p)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := a.initiate(&attempt{index: 7, keys: a.local.Ring.First()}, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.local.Settings.Build = BuildName("a build with a very long name, as long as a name of a build may be")
	for range maxNetworks - 1 { // long settings, of one node only
		b.local.Settings.Network = append(b.local.Settings.Network, b.local.Settings.Network[0])
	}
	response, err := b.answer(t, frame, start)
	if !errors.Is(err, ErrAmplify) || response != nil {
		t.Errorf("%d bytes answer %d, %v", len(response), len(frame), err)
	}
}
