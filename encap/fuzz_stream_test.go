package encap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flynn/noise"
)

// script is a connection on which bytes come that are known before. What is written to it is lost.
type script struct{ bytes.Reader }

func newScript(said []byte) *script { return &script{*bytes.NewReader(said)} }

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return nil }
func (s *script) RemoteAddr() net.Addr             { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// FuzzStreamHandshake lets anybody begin a stream, and anybody answer one.
func FuzzStreamHandshake(f *testing.F) {
	f.Add(appendRecord(appendPreface(nil, testKeys(1).ClusterID), make([]byte, 48)))
	f.Add(appendRecord(appendAnswer(nil, statusGo, testKeys(1).ClusterID), make([]byte, 400)))
	for s := statusGo; s <= statusBusy+1; s++ {
		f.Add(appendAnswer(nil, s, clusterID{1}))
	}
	at := netip.MustParseAddrPort(acceptorAt)
	f.Fuzz(func(t *testing.T, said []byte) {
		s := NewStreams(StreamsConfig{Local: testLocal(t, 1), Port: 9338})
		if _, err := s.receive(t.Context(), newScript(said), at); err == nil {
			t.Error("a forged dialer is accepted")
		}
		if _, err := s.greet(newScript(said), at, Splice{}); err == nil {
			t.Error("a forged acceptor is taken")
		}
	})
}

// suite has the ciphers of streams.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2s)

// FuzzStreamRecords gives the reader of a stream records that the other end's key has sealed, and bytes behind them.
func FuzzStreamRecords(f *testing.F) {
	f.Add([]byte("text"), []byte{0, 16}, uint8(1))
	f.Add([]byte{}, []byte{}, uint8(0))
	f.Add(make([]byte, maxRecord), []byte{0xff, 0xff, 0}, uint8(3))
	f.Fuzz(func(t *testing.T, plain, behind []byte, count uint8) {
		key := [32]byte{1}
		seal, open := noise.UnsafeNewCipherState(suite, key, 0), noise.UnsafeNewCipherState(suite, key, 0)
		plain = plain[:min(len(plain), maxRecord)]
		var said []byte
		for range count % 4 {
			sealed, err := seal.Encrypt(nil, nil, plain)
			if err != nil {
				t.Fatal(err)
			}
			said = appendRecord(said, sealed)
		}
		got, err := io.ReadAll(&Stream{conn: newScript(append(said, behind...)), open: open})
		want := bytes.Repeat(plain, int(count%4))
		ended := len(plain) == 0 && count%4 > 0
		if !bytes.Equal(got, want) || ended != (err == nil) {
			t.Errorf("%d bytes read of %d, %v", len(got), len(want), err)
		}
	})
}

func FuzzVerdict(f *testing.F) {
	for _, v := range []verdict{{}, {Field: "network", Ours: "10.0.0.0/8", Theirs: "\x00"}} {
		raw, err := encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		seal, open := noise.UnsafeNewCipherState(suite, [32]byte{1}, 0), noise.UnsafeNewCipherState(suite, [32]byte{1}, 0)
		record, err := seal.Encrypt(nil, nil, raw[:min(len(raw), maxRecord)])
		if err != nil {
			t.Fatal(err)
		}
		v, err := (&Stream{conn: newScript(appendRecord(nil, record)), open: open}).readVerdict()
		if err != nil && !errors.Is(err, ErrPayload) && !errors.Is(err, io.EOF) {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// FuzzCookie lets anybody answer an initiation with a cookie, and anybody claim to have one.
func FuzzCookie(f *testing.F) {
	a, b := pair(f)
	initiation := a.initiation(f, start)
	reply, err := NewCookies(b.local).Reply(nil, marked(f, b.local, initiation), caller, start)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reply[HeaderLen:])
	f.Add(initiation)
	f.Add(append(slices.Clone(initiation), make([]byte, macLen)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, b := pair(t)
		a.initiation(t, start)
		frame := append(Header{Type: Cookie, Index: a.pending[0].index}.Append(nil), raw...)
		if again, err := a.TakeCookie(frame, start); err == nil || again {
			t.Error("a forged cookie is taken")
		}
		cookies := NewCookies(b.local)
		if cookies.Proves(raw, caller, start) {
			t.Error("a forged frame proves its address")
		}
		asked := markFor(b.local, raw)
		mark, ok := b.local.Marked(asked)
		if !ok {
			return
		}
		reply, err := cookies.Reply(nil, mark, caller, start)
		if err != nil || len(reply) > len(asked) {
			t.Errorf("%d bytes answer %d, %v", len(reply), len(asked), err)
		}
	})
}

func FuzzUnpad(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, padding[0]}, 4)
	f.Add(padding[:], 0)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		got := unpad(data, size)
		if lost := len(data) - len(got); lost > 1 || lost == 1 && data[len(got)] != padding[0] || !bytes.HasPrefix(data, got) {
			t.Errorf("%x of %x is left", got, data)
		}
	})
}

func FuzzParseSplice(f *testing.F) {
	f.Add(SpliceBody{ID: 1}.Append(nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ParseSplice(raw)
		if err != nil {
			return
		}
		if again, err := ParseSplice(b.Append(nil)); err != nil || again != b || b.ID == 0 {
			t.Errorf("%+v becomes %+v, %v", b, again, err)
		}
	})
}
