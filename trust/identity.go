package trust

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// IdentityFile is the name of the file in the state directory that holds a node's key seed.
const IdentityFile = "node.key"

const seedLen = 32

// maxKeyFile bounds what is read of a file that should have seedLen bytes.
const maxKeyFile = 4 << 10

// PublicKeys are the public half of an identity.
type PublicKeys struct {
	DH   [32]byte // X25519, for handshakes
	Sign [32]byte // Ed25519, for claims
}

// Fingerprint names a node: SHA-256 of its X25519 public key followed by its Ed25519 public key.
type Fingerprint [32]byte

// Fingerprint computes the node's name.
func (p PublicKeys) Fingerprint() Fingerprint {
	return sha256.Sum256(append(append(make([]byte, 0, 64), p.DH[:]...), p.Sign[:]...))
}

// Verify reports whether sig is this node's signature over message.
func (p PublicKeys) Verify(message, sig []byte) bool {
	return ed25519.Verify(p.Sign[:], message, sig)
}

// String is the whole fingerprint in hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// Short is the first 8 bytes in hexadecimal, for people.
func (f Fingerprint) Short() string { return hex.EncodeToString(f[:8]) }

// IsZero reports whether f is unset.
func (f Fingerprint) IsZero() bool { return f == Fingerprint{} }

// ParseFingerprint reads the form of String.
func ParseFingerprint(text string) (Fingerprint, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(Fingerprint{}) {
		return Fingerprint{}, fmt.Errorf("trust: %q is not a fingerprint (64 hexadecimal digits)", text)
	}
	return Fingerprint(raw), nil
}

// Identity is a node's own key pairs, both made from one seed.
type Identity struct {
	public PublicKeys
	dh     *ecdh.PrivateKey
	sign   ed25519.PrivateKey
}

// NewIdentity makes the key pairs of a seed of 32 bytes.
func NewIdentity(seed []byte) (*Identity, error) {
	if len(seed) != seedLen {
		return nil, fmt.Errorf("trust: node key has %d bytes, not %d", len(seed), seedLen)
	}
	dh, err := hkdf.Key(sha256.New, seed, nil, "weft 1 node dh", 32)
	if err != nil {
		return nil, fmt.Errorf("trust: derive node key: %w", err)
	}
	sign, err := hkdf.Key(sha256.New, seed, nil, "weft 1 node sign", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("trust: derive node key: %w", err)
	}
	private, err := ecdh.X25519().NewPrivateKey(dh)
	if err != nil {
		return nil, fmt.Errorf("trust: derive node key: %w", err)
	}
	id := &Identity{dh: private, sign: ed25519.NewKeyFromSeed(sign)}
	id.public.DH = [32]byte(private.PublicKey().Bytes())
	id.public.Sign = [32]byte(id.sign.Public().(ed25519.PublicKey))
	return id, nil
}

// ErrIdentity says that the file of a node's key is to blame: its contents, or who may read it.
var ErrIdentity = errors.New("trust: node key")

// LoadIdentity reads the identity in the state directory dir, or makes one there if there is none. With a nil random none is made, and
// the error wraps fs.ErrNotExist. A symbolic link that leads nowhere is never replaced: the key that it led to may come back. Errors
// name the file, and wrap ErrIdentity where it is damaged, or others than its owner may use it.
func LoadIdentity(dir string, random io.Reader) (id *Identity, created bool, err error) {
	path := filepath.Join(dir, IdentityFile)
	seed, info, err := atomicfile.Read(path, maxKeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && random != nil:
		id, err = createIdentity(path, random)
		if errors.Is(err, fs.ErrExist) { // somebody else was first, or a symbolic link leads nowhere
			return LoadIdentity(dir, nil)
		}
		return id, err == nil, err
	case err != nil:
		return nil, false, fmt.Errorf("trust: read node key: %w (put it back from a copy, or move it away to become a new node)", err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, false, fmt.Errorf("%w: %s: others than its owner may read or write it (chmod 600 %[2]s; if others are on this host, give it another one: 'weft key replace')", ErrIdentity, path)
	}
	id, err = NewIdentity(seed)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %s is damaged: it has %d bytes, not %d (put it back from a copy, or move it away to become a new node)", ErrIdentity, path, len(seed), seedLen)
	}
	if bytes.Equal(seed, make([]byte, seedLen)) { // what file systems leave of a file after a crash, and everybody's key
		return nil, false, fmt.Errorf("%w: %s is damaged: it holds zeros alone (put it back from a copy, or move it away to become a new node)", ErrIdentity, path)
	}
	return id, false, nil
}

// ReplaceIdentity puts a new identity in the place of the one in the state directory dir. before is called with both first; when it
// fails, or the new one cannot be written, the old one stays.
func ReplaceIdentity(dir string, random io.Reader, before func(old, next *Identity) error) (old, next *Identity, err error) {
	path := filepath.Join(dir, IdentityFile)
	if _, err := os.Lstat(path); err != nil {
		return nil, nil, fmt.Errorf("trust: replace node key: %w (a node that was never started has none: its first start makes one)", err)
	}
	if old, _, err = LoadIdentity(dir, nil); err != nil {
		return nil, nil, err
	}
	seed := make([]byte, seedLen)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, nil, fmt.Errorf("trust: draw node key: %w", err)
	}
	if next, err = NewIdentity(seed); err != nil {
		return nil, nil, err
	}
	if err := before(old, next); err != nil {
		return nil, nil, err
	}
	if err := atomicfile.Write(path, seed, 0o600); err != nil {
		return nil, nil, fmt.Errorf("trust: new node key: %w", err)
	}
	return old, next, nil
}

// createIdentity makes the file of a new identity. The error wraps fs.ErrExist where something is there by now.
func createIdentity(path string, random io.Reader) (*Identity, error) {
	seed := make([]byte, seedLen)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("trust: draw node key: %w", err)
	}
	if err := atomicfile.Create(path, seed, 0o600); err != nil {
		return nil, fmt.Errorf("trust: new node key: %w", err)
	}
	return NewIdentity(seed)
}

// IdentitySince is when the identity in the state directory dir was written; zero: there is none that can be looked at.
func IdentitySince(dir string) time.Time {
	info, err := os.Stat(filepath.Join(dir, IdentityFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Public is the public half.
func (i *Identity) Public() PublicKeys { return i.public }

// Fingerprint names this node.
func (i *Identity) Fingerprint() Fingerprint { return i.public.Fingerprint() }

// DHPrivate is the X25519 private key, for the handshake library.
func (i *Identity) DHPrivate() [32]byte { return [32]byte(i.dh.Bytes()) }

// DHKey is the X25519 private key as crypto/ecdh has it. It may be used from any goroutine.
func (i *Identity) DHKey() *ecdh.PrivateKey { return i.dh }

// Sign signs message with Ed25519.
func (i *Identity) Sign(message []byte) []byte { return ed25519.Sign(i.sign, message) }

// BootNonce is drawn once per start of the daemon.
type BootNonce [8]byte

// NewBootNonce draws a nonce.
func NewBootNonce(random io.Reader) (BootNonce, error) {
	var b BootNonce
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return BootNonce{}, fmt.Errorf("trust: draw boot nonce: %w", err)
	}
	return b, nil
}

// String is the nonce in hexadecimal.
func (b BootNonce) String() string { return hex.EncodeToString(b[:]) }
