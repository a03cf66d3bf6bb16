package encap

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzParseHeader(f *testing.F) {
	f.Add(Header{Type: Data, Lane: 1, Index: 7}.Append(nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, err := ParseHeader(frame)
		if err == nil && !bytes.Equal(h.Append(nil), frame[:HeaderLen]) {
			t.Errorf("%x is read as %+v", frame[:HeaderLen], h)
		}
	})
}

// The handshake frames are fuzzed behind their MAC, where only members of the cluster come.

func FuzzReadInitiation(f *testing.F) {
	la, b := testLocal(f, 1), testLocal(f, 2)
	la.Rand = rand.NewChaCha8([32]byte{}) // the same seed in every fuzzing process
	seed := newNode(la, b, 1).initiation(f, start)
	f.Add(seed[:len(seed)-macLen])
	f.Add(seed[:handshakeHead])
	f.Fuzz(func(t *testing.T, frame []byte) {
		if _, err := b.ReadInitiation(frame); err == nil {
			t.Error("an initiation without MAC is taken")
		}
		m, err := b.ReadInitiation(markFor(b, bytes.Clone(frame)))
		if err == nil && !bytes.Equal(frame, seed[:len(seed)-macLen]) {
			t.Errorf("a forged initiation is taken as of %x", m.Static)
		}
	})
}

func FuzzComplete(f *testing.F) {
	a, b := pair(f)
	response, err := b.answer(f, a.initiation(f, start), start)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(response[handshakeHead : len(response)-macLen])
	f.Fuzz(func(t *testing.T, body []byte) {
		a, _ := pair(t)
		a.initiation(t, start)
		frame := append(handshakeFrame(Response, 0, a.pending[0].index, 5), body...)
		if err := a.Complete(markFor(a.local, frame), start); err == nil || a.Current() != nil {
			t.Error("a forged response makes a session")
		}
	})
}

// The payloads are fuzzed as they come out of the handshake.

func FuzzInitiationPayload(f *testing.F) {
	a, _ := pair(f)
	seed, err := encode(a.initiationPayload())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p initiationPayload
		if decode(raw, &p) == nil && p.check() == nil {
			checkAgrees(t, p.Settings)
		}
	})
}

func FuzzResponsePayload(f *testing.F) {
	seed, err := encode(responsePayload{Settings: testSettings(), Generation: 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	a, _ := pair(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if k, err := a.readResponse(raw, 1); err == nil {
			checkAgrees(t, k.remote)
		}
	})
}

// checkAgrees compares settings of a stranger with ours, which must not panic, and must give lanes that can be made.
func checkAgrees(t *testing.T, s Settings) {
	t.Helper()
	if got, err := testSettings().Agree(s); err == nil && (got.Lanes < 1 || got.Lanes > MaxLanes) {
		t.Errorf("%+v", got)
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add(ProbeBody{ID: 7}.Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := ParseProbe(raw); err == nil {
			if again, err := ParseProbe(p.Append(nil)); err != nil || again != p {
				t.Errorf("%+v becomes %+v, %v", p, again, err)
			}
		}
	})
}

func FuzzParseHello(f *testing.F) {
	seed, err := testHello().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := parseHello(raw)
		if err != nil {
			return
		}
		checkAgrees(t, h.Settings)
		if _, err := h.encode(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzStreamBeginning(f *testing.F) {
	f.Add(appendPreface(nil, clusterID{1}))
	f.Add(appendAnswer(nil, statusSecret, clusterID{1}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := parsePreface(raw); err == nil && p.judge(true) == statusGo &&
			!bytes.Equal(raw[:prefaceLen], appendPreface(nil, p.cluster)) {
			t.Errorf("%x begins a stream", raw)
		}
		if a, err := parseAnswer(raw); err == nil && a.status > statusBusy {
			t.Errorf("status %d", a.status)
		}
	})
}

func FuzzOpen(f *testing.F) {
	a, _ := keypairs(f, CipherAES256GCM, true, 2)
	f.Add(sealed(f, a, 1, "packet"))
	control, err := a.SealControl(nil, Probe, []byte("body"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(control)
	clear, _ := keypairs(f, CipherAES256GCM, false, 2)
	f.Add(sealed(f, clear, 1, "packet"))
	f.Add(testSealer(f, 1).Seal(nil, []byte("gossip"), start))
	f.Add(wrapped(f, a, testFront(f, 1, 2), "inner"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, sealedEnd := keypairs(t, CipherAES256GCM, true, 2)
		_, clearEnd := keypairs(t, CipherAES256GCM, false, 2)
		sealedEnd.OpenData(bytes.Clone(frame))
		sealedEnd.OpenControl(bytes.Clone(frame))
		clearEnd.OpenData(bytes.Clone(frame))
		clearEnd.OpenRelay(bytes.Clone(frame))
		testSealer(t, 2).Open(bytes.Clone(frame), start)
	})
}

// FuzzOpenRelay opens fronts as they are, which nobody can forge, and as a member may make them.
func FuzzOpenRelay(f *testing.F) {
	a, _ := keypairs(f, CipherAES256GCM, false, 2)
	for further := range MaxRelays {
		f.Add(wrapped(f, a, testFront(f, 1, further), "inner"))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		a, b := keypairs(t, CipherAES256GCM, false, 2)
		authentic := sealFront(a, bytes.Clone(frame))
		h, inner, err := b.OpenRelay(authentic)
		if err != nil {
			return
		}
		if h.FrontLen()+len(inner) != len(frame) || h.Further.Len() >= MaxRelays {
			t.Errorf("%x is read as %+v and %d bytes", frame, h, len(inner))
		}
		again, err := a.SealRelay(make([]byte, 0, MaxRelayFront), &h)
		if err != nil || !bytes.Equal(again[hopAt:len(again)-TagLen], authentic[hopAt:h.FrontLen()-TagLen]) {
			t.Errorf("%x is written again as %x, %v", frame, again, err)
		}
	})
}

// sealFront gives a front the tag that it lacks, if it is long enough to have one.
func sealFront(k *Keypair, frame []byte) []byte {
	if len(frame) < relayFront || frame[countAt] > maxFurther || int(frame[2]) >= len(k.relay) {
		return frame
	}
	end := relayHead + numberLen*int(frame[countAt])
	if len(frame) >= end+TagLen {
		k.sealing(&k.relay[frame[2]]).aead.Seal(frame[:end], frame[nonceAt:sealedHead], nil, frame[:end])
	}
	return frame
}

func FuzzAncillary(f *testing.F) {
	var a ancillary
	n := putMessage(a.bytes(), unix.SOL_UDP, unix.UDP_GRO, []byte{1, 2, 3, 4})
	n += putMessage(a.bytes()[n:], unix.SOL_IP, unix.IP_PKTINFO, make([]byte, unix.SizeofInet4Pktinfo))
	n += putMessage(a.bytes()[n:], unix.SOL_IPV6, unix.IPV6_TCLASS, []byte{1, 0, 0, 0})
	f.Add(a.bytes()[:n])
	f.Add(a.bytes()[:n-5])
	f.Fuzz(func(t *testing.T, raw []byte) {
		var a ancillary
		copy(a.bytes(), raw)
		if got := a.parse(len(raw)); got.local.Is4In6() {
			t.Errorf("%x tells the address %s", raw, got.local)
		}
	})
}
