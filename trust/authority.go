package trust

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/weftnet/weft/atomicfile"
)

// Authority is an operator's key, which signs what nodes may be and own. Its private half stays off the nodes. The file is a
// PEM block "PRIVATE KEY" (PKCS #8, RFC 8410) of mode 0600.
type Authority struct {
	key    ed25519.PrivateKey
	public AuthorityKey
}

const blockPrivate = "PRIVATE KEY"

// NewAuthority draws a key.
func NewAuthority(random io.Reader) (*Authority, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("trust: draw authority key: %w", err)
	}
	return newAuthority(ed25519.NewKeyFromSeed(seed)), nil
}

func newAuthority(key ed25519.PrivateKey) *Authority {
	return &Authority{key: key, public: AuthorityKey(key.Public().(ed25519.PublicKey))}
}

// Public is the public half.
func (a *Authority) Public() AuthorityKey { return a.public }

// sign makes the signature over body under a context label, and puts body behind it.
func (a *Authority) sign(context string, body []byte) []byte {
	return append(ed25519.Sign(a.key, labelled(context, body)), body...)
}

// PEM is the text of the private key's file.
func (a *Authority) PEM() []byte {
	raw, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil { // only for types that it does not know
		panic("trust: encode private key: " + err.Error())
	}
	return blockText(blockPrivate, raw)
}

// ErrAuthorityKey says that a text is not an authority's private key.
var ErrAuthorityKey = errors.New("not the private key of an authority")

// ParseAuthority reads the text of PEM. The error wraps ErrAuthorityKey and never holds the text.
func ParseAuthority(text []byte) (*Authority, error) {
	raw, err := blockOf(text, blockPrivate, "'weft authority new'")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAuthorityKey, err)
	}
	private, err := x509.ParsePKCS8PrivateKey(raw)
	key, ok := private.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: it is not a key of Ed25519", ErrAuthorityKey)
	}
	return newAuthority(key), nil
}

// ReadAuthority reads the private key's file. Errors name the file. One that others than its owner may read is refused: whoever
// has the key admits nodes of any name to the cluster.
func ReadAuthority(path string) (*Authority, error) {
	text, info, err := atomicfile.Read(path, maxSignedFile)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	a, err := ParseAuthority(text)
	if err != nil {
		return nil, fmt.Errorf("trust: %s: %w", path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("trust: %s: others may read it (mode %04o): chmod 600 it, or make another authority if somebody did", path, info.Mode().Perm())
	}
	return a, nil
}

// WriteNew writes the private key to one file (0600) and the public one to another (0644). A file that is there already is
// never touched: the error names it, and then neither is there.
func (a *Authority) WriteNew(private, public string) error {
	if err := writeNewKey(private, a.PEM(), 0o600); err != nil {
		return err
	}
	if err := writeNewKey(public, a.public.PEM(), 0o644); err != nil {
		return errors.Join(err, os.Remove(private))
	}
	return nil
}

func writeNewKey(path string, text []byte, perm os.FileMode) error {
	err := atomicfile.Create(path, text, perm)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("trust: %s: it is there already (a key is never overwritten: name another file, or move it away)", path)
	}
	if err != nil {
		return fmt.Errorf("trust: new authority: %w", err)
	}
	return nil
}

// String names the authority without its private key.
func (a Authority) String() string { return a.public.ID().String() }

// Format shows the name of the authority for every verb of package fmt, never its private key.
func (a Authority) Format(f fmt.State, _ rune) { fmt.Fprint(f, a.String()) }

// LogValue is the name of the authority.
func (a Authority) LogValue() slog.Value { return slog.StringValue(a.String()) }
