package encap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weftnet/weft/trust/vectors"
)

// streamVector is all that two nodes say on a gossip stream.
type streamVector struct {
	Secret            vectors.Hex `json:"secret"`
	DialerSeed        vectors.Hex `json:"dialer_seed"`
	AcceptorSeed      vectors.Hex `json:"acceptor_seed"`
	DialerEphemeral   vectors.Hex `json:"dialer_ephemeral"`
	AcceptorEphemeral vectors.Hex `json:"acceptor_ephemeral"`
	DialerHello       vectors.Hex `json:"dialer_hello"`
	AcceptorHello     vectors.Hex `json:"acceptor_hello"`
	Text              string      `json:"text"` // what the dialer says then
	Dialer            vectors.Hex `json:"dialer_bytes"`
	Acceptor          vectors.Hex `json:"acceptor_bytes"`
}

const (
	dialerAt   = "192.0.2.1:40000"
	acceptorAt = "192.0.2.2:9338"
	dialerBoot = 0x10
	acceptBoot = 0x20
)

// recorder keeps what is written to one end of a connection, whose other end is said to be at an address.
type recorder struct {
	net.Conn
	remote string
	said   []byte
}

// RemoteAddr implements net.Conn.
func (r *recorder) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(r.remote))
}

// Write implements net.Conn.
func (r *recorder) Write(p []byte) (int, error) {
	r.said = append(r.said, p...)
	return r.Conn.Write(p)
}

// DialContext implements Dialer.
func (r *recorder) DialContext(context.Context, string, string) (net.Conn, error) { return r, nil }

// listening accepts one connection.
type listening chan net.Conn

// Accept implements net.Listener.
func (l listening) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l listening) Close() error { return nil }

// Addr implements net.Listener.
func (l listening) Addr() net.Addr { return nil }

// converse has one end say a text on a stream to the other, and close it.
func converse(t *testing.T, text string) (dialer, acceptor *recorder) {
	t.Helper()
	near, far := net.Pipe()
	dialer, acceptor = &recorder{Conn: near, remote: acceptorAt}, &recorder{Conn: far, remote: dialerAt}
	never := time.Now().Add(time.Hour) // no uptime
	out := NewStreams(StreamsConfig{
		Local: vectorLocal(t, 1, 0xa0), Boot: [8]byte(vectors.Count(dialerBoot, 8)), Started: never, Port: 9338, Dialer: dialer,
	})
	in := NewStreams(StreamsConfig{Local: vectorLocal(t, 2, 0xc0), Boot: [8]byte(vectors.Count(acceptBoot, 8)), Started: never, Port: 9338})
	ln, heard := make(listening, 1), make(chan error, 1)
	ln <- acceptor
	close(ln)
	go in.Serve(t.Context(), ln, func(s *Stream) {
		got, err := io.ReadAll(s)
		if err == nil && string(got) != text {
			err = errors.New("heard something else")
		}
		heard <- err
	})
	stream, err := out.Dial(t.Context(), netip.MustParseAddrPort(acceptorAt))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stream, text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.Close(), <-heard); err != nil {
		t.Fatal(err)
	}
	return dialer, acceptor
}

func TestVectorsOfAStream(t *testing.T) {
	text := "a push/pull of memberlist"
	dialer, acceptor := converse(t, text)
	hello := func(seed byte, boot byte, sees string) []byte {
		l := vectorLocal(t, seed, 0)
		raw, err := Hello{
			Keys: l.Identity.Public(), Boot: [8]byte(vectors.Count(boot, 8)), Name: l.Name, Settings: l.Settings, Port: 9338,
			Observed: netip.MustParseAddrPort(sees),
		}.encode()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	v := vectors.Check(t, "stream", streamVector{
		Secret: vectors.Count(0, 32), DialerSeed: bytes.Repeat([]byte{1}, 32), AcceptorSeed: bytes.Repeat([]byte{2}, 32),
		DialerEphemeral: vectors.Count(0xa0, 32), AcceptorEphemeral: vectors.Count(0xc0, 32),
		DialerHello: hello(1, dialerBoot, acceptorAt), AcceptorHello: hello(2, acceptBoot, dialerAt), Text: text,
		Dialer: dialer.said, Acceptor: acceptor.said,
	})
	said, answered := v.again()
	vectors.Equal(t, "dialer", v.Dialer, said)
	vectors.Equal(t, "acceptor", v.Acceptor, answered)
}

// again has the second implementation say the same.
func (v *streamVector) again() (dialer, acceptor []byte) {
	id := vectors.HKDF(v.Secret, "weft 1 cluster id", 16)
	preface := append([]byte("WEFT\x01"), id...)
	s := vectors.NewNoise("Noise_XXpsk0_25519_ChaChaPoly_BLAKE2s", append([]byte("weft 1 stream"), preface...))
	d, a := newEnd(v.DialerSeed, v.DialerEphemeral), newEnd(v.AcceptorSeed, v.AcceptorEphemeral)

	s.PSK(vectors.HKDF(v.Secret, "weft 1 stream", 32)) // -> psk, e
	s.E(d.ephemeralPublic)
	dialer = append(preface, record(d.ephemeralPublic, s.Seal(nil))...)

	s.E(a.ephemeralPublic) // <- e, ee, s, es
	s.DH(a.ephemeral, d.ephemeralPublic)
	static := s.Seal(a.staticPublic)
	s.DH(a.static, d.ephemeralPublic)
	acceptor = append(slices.Concat([]byte{0}, id, []byte{1, 1}), record(a.ephemeralPublic, static, s.Seal(v.AcceptorHello))...)

	static = s.Seal(d.staticPublic) // -> s, se
	s.DH(d.static, a.ephemeralPublic)
	dialer = append(dialer, record(static, s.Seal(v.DialerHello))...)

	out, in := s.Split()
	verdict := vectors.CBOR(vectors.Map{})
	acceptor = append(acceptor, record(vectors.SealChaCha(in, vectors.NoiseNonce(0), verdict, nil))...)
	dialer = append(dialer, record(vectors.SealChaCha(out, vectors.NoiseNonce(0), []byte(v.Text), nil))...)
	return append(dialer, record(vectors.SealChaCha(out, vectors.NoiseNonce(1), nil, nil))...), acceptor
}

// end is one end of a handshake.
type end struct{ static, staticPublic, ephemeral, ephemeralPublic []byte }

func newEnd(seed, ephemeral []byte) end {
	static := vectors.HKDF(seed, "weft 1 node dh", 32)
	return end{static, vectors.PublicKey(static), ephemeral, vectors.PublicKey(ephemeral)}
}

// record is a message with its length before it.
func record(parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	return append([]byte{byte(len(body) >> 8), byte(len(body))}, body...)
}

func TestVectorsOfAHello(t *testing.T) {
	l := vectorLocal(t, 1, 0)
	at := netip.MustParseAddrPort("[2001:db8::2]:9338")
	made, err := Hello{
		Keys: l.Identity.Public(), Boot: [8]byte(vectors.Count(dialerBoot, 8)), Name: "vm-1", Uptime: 3 * time.Second,
		Settings: l.Settings, Port: 9338, Observed: at,
	}.encode()
	if err != nil {
		t.Fatal(err)
	}
	public := l.Identity.Public()
	vectors.Equal(t, "hello", made, vectors.CBOR(vectors.Map{
		{Key: 1, Value: public.DH[:]}, {Key: 2, Value: public.Sign[:]}, {Key: 3, Value: vectors.Count(dialerBoot, 8)},
		{Key: 4, Value: "vm-1"}, {Key: 5, Value: uint64(3_000_000_000)}, {Key: 6, Value: settingsMap()}, {Key: 7, Value: uint64(9338)},
		{Key: 8, Value: vectors.AddrPort(at)},
	}))
}
