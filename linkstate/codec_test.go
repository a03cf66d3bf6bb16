package linkstate

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
	"github.com/weftnet/weft/trust/vectors"
)

func TestTheFullestPageFitsAMessage(t *testing.T) {
	p := &page{version: version{^trust.Number(0), span{maxBits, 1<<maxBits - 1}, maxStamp}, policy: RefuseRelay}
	for i := range trust.Number(maxLinks) {
		p.links = append(p.links, stated{^trust.Number(0) - maxLinks + i, quality{MaxRTTClass, MaxLossClass}})
	}
	p.sign(testIdentity(0), time.Time{})
	if got := len(pageMessage(p, time.Time{})); got > MaxMessage || got < MaxMessage-2*linkLen {
		t.Errorf("%d bytes of %d", got, MaxMessage)
	}
	back, err := decodePage(p.raw)
	if err != nil || !back.sameContent(p) {
		t.Errorf("%v; it came back as %+v", err, back)
	}
}

func TestPagesThatNoNodeSignsAreRefused(t *testing.T) {
	for name, edit := range map[string]func(*pageBody){
		"stamp 0":            func(b *pageBody) { b.Stamp = 0 },
		"stamp too large":    func(b *pageBody) { b.Stamp = maxStamp + 1 },
		"too fine":           func(b *pageBody) { b.Bits = maxBits + 1 },
		"no such page":       func(b *pageBody) { b.Bits, b.Index = 1, 2 },
		"half a link":        func(b *pageBody) { b.Links = b.Links[:len(b.Links)-1] },
		"links out of order": func(b *pageBody) { b.Links = append(b.Links[linkLen:], b.Links[:linkLen]...) },
		"a link twice":       func(b *pageBody) { b.Links = append(b.Links[:linkLen:linkLen], b.Links[:linkLen]...) },
		"of another page":    func(b *pageBody) { b.Bits, b.Index = 1, 1 },
		"to itself":          func(b *pageBody) { b.Origin = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			body := pageBody{Origin: 1, Stamp: 1, Links: packLinks([]stated{{peer: 2}, {peer: 3}})}
			if _, err := decodePage(slices.Concat(make([]byte, signatureLen), marshal(body))); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			edit(&body)
			if _, err := decodePage(slices.Concat(make([]byte, signatureLen), marshal(body))); !errors.Is(err, ErrMessage) {
				t.Errorf("error %v, want ErrMessage", err)
			}
		})
	}
}

func TestWhatLaterVersionsAddIsKeptAndSigned(t *testing.T) {
	p := signedPage(0, 7, span{}, 5)
	var fields map[uint64]any
	if err := unmarshal(p.raw[signatureLen:], &fields); err != nil {
		t.Fatal(err)
	}
	fields[99] = "new"
	body := marshal(fields)
	raw := append(testIdentity(0).Sign(signedBytes(body)), body...)
	back, err := decodePage(raw)
	if err != nil || !bytes.Equal(back.raw, raw) || !back.verify(testIdentity(0).Public()) {
		t.Errorf("%v, %+v", err, back)
	}
	if links := unpackLinks([]byte{0, 0, 0, 0, 0, 0, 0, 9, 0xff}); links[0].quality != (quality{MaxRTTClass, MaxLossClass}) {
		t.Errorf("classes that are not known count as %v", links[0].quality)
	}
}

func FuzzPage(f *testing.F) {
	f.Add(signedPage(0, 7, span{1, 0}, 5, 6).raw)
	f.Add(make([]byte, signatureLen))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decodePage(raw)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Errorf("error %v does not wrap ErrMessage", err)
			}
			return
		}
		again := &page{version: p.version, policy: p.policy, links: p.links}
		back, err := decodePage(again.sign(testIdentity(0), time.Time{}).raw)
		if err != nil || !back.sameContent(p) || back.version != p.version {
			t.Errorf("%+v became %+v, %v", p, back, err)
		}
	})
}

func FuzzReceive(f *testing.F) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Add(pageMessage(signedPage(1, 7, span{}, testIdentity(0).Fingerprint().Number()), now))
	f.Add(summaryMessage([]uint64{1, 2, 3, 4}))
	f.Add(versionsMessage(0, ^trust.Number(0), []version{{origin: testIdentity(1).Fingerprint().Number(), stamp: 9}}))
	f.Add(requestMessage([]want{{origin: testIdentity(0).Fingerprint().Number()}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := newWorld(t, 2, 1)
		e, peer := w.nodes[0].engine, testIdentity(1).Fingerprint()
		e.SetLinks([]Link{{Peer: peer, RTT: time.Millisecond, Up: true}}, now)
		_, err := e.Receive(peer, body, now)
		if err != nil && !errors.Is(err, ErrMessage) && !errors.Is(err, ErrSigner) && !errors.Is(err, ErrFlood) {
			t.Errorf("error %v wraps none that is told", err)
		}
		for range 3 {
			now := now.Add(time.Second)
			send, next := e.Step(now)
			if !next.After(now) {
				t.Errorf("to be called at %v, and it is %v", next, now)
			}
			for _, m := range send {
				if m.To != peer || len(m.Body) > MaxMessage {
					t.Errorf("%d bytes to %v", len(m.Body), m.To)
				}
			}
		}
	})
}

// pageVector is a page, and the message that carries it when it is 90 s old.
type pageVector struct {
	Seed      vectors.Hex `json:"seed"`
	Body      vectors.Hex `json:"body"`
	Signature vectors.Hex `json:"signature"`
	Message   vectors.Hex `json:"message"`
	Version   vectors.Hex `json:"version"` // origin, bits, index, stamp
	Sum       vectors.Hex `json:"sum"`     // of the version, in digests
}

func TestVectorsOfAPage(t *testing.T) {
	seed, now := vectors.Count(0x40, 32), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	id, err := trust.NewIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{
		version: version{id.Fingerprint().Number(), span{2, 1}, 1_700_000_000_123}, policy: RefuseRelay,
		links: []stated{{0x4000000000000001, quality{3, 1}}, {0x7fffffffffffffff, quality{12, 5}}},
	}
	p.sign(id, now)
	v := vectors.Check(t, "page", pageVector{
		Seed: seed, Body: p.raw[signatureLen:], Signature: p.raw[:signatureLen], Message: pageMessage(p, now.Add(90*time.Second)),
		Version: p.version.append(nil), Sum: uint64Bytes(p.digest),
	})
	checkPageAgain(t, v)
}
