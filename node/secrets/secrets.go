package secrets

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/router"
	"github.com/weftnet/weft/trust"
)

// Router is what carries the frames of rotations; *router.Router is one.
type Router interface {
	SecretsChanged() error
	SendSecretOffer(to trust.Fingerprint, o encap.SecretOffer) error
	SendSecretAnswer(to trust.Fingerprint, a encap.SecretAnswer) error
}

// Member is another node of the cluster.
type Member struct {
	ID   trust.Fingerprint
	Name string
}

// Config is what Secrets are made of.
type Config struct {
	File     string            // with the secrets
	Held     *trust.SecretFile // what is in it
	StateDir string
	Random   io.Reader
	Log      *slog.Logger
	Members  func() []Member // all whose claims are known, but for this node
	Barred   func() []Member // those that this node refuses, such as revoked ones: they are never asked; may be nil

	// Permit says why a rotation may not be followed now, whoever leads it; nil: it may. It looks at an offer's Old, New and Signed
	// alone. The error is ErrUnsigned where the authority did not sign it. Where no Permit is given, each member may lead one.
	Permit func(o encap.SecretOffer) error
}

// Secrets are those of a running node. Its methods may be called from any goroutine.
type Secrets struct {
	cfg    Config
	ring   *trust.Ring
	router Router
	offers chan router.SecretMessage

	leading sync.Mutex // held while this node leads a rotation by a step
	waiting waiting

	mu     sync.Mutex // guards what follows
	file   string
	held   []trust.Secret
	record record

	refused   int       // offers since refusedAt
	refusedAt time.Time // when one was logged last
}

// New holds what cfg says. The state directory need not be there yet.
func New(cfg Config) *Secrets {
	s := &Secrets{cfg: cfg, file: cfg.File, held: cfg.Held.Secrets, offers: make(chan router.SecretMessage, 64)}
	keys := cfg.Held.Keys()
	s.ring = trust.NewRing(keys[0], keys[1:]...)
	return s
}

// Ring holds the keys of the secrets.
func (s *Secrets) Ring() *trust.Ring { return s.ring }

// Start reads the record, and names the router that carries offers. It is called before Run, and before any frame is heard.
func (s *Secrets) Start(r Router) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.router = r
	record, err := readRecord(s.cfg.StateDir)
	if err != nil {
		s.cfg.Log.Warn("node.secret.record", "error", err)
	}
	if was := record.foreign(s.held); len(was) > 0 {
		s.cfg.Log.Warn("node.secret.replaced", "file", s.file, "was", was,
			"effect", "only nodes with the secret of that file are reached; if it is of another cluster, put the former one back, or give this one a state_dir of its own")
	}
	s.record = record.holding(s.held, s.cfg.Held.Changed)
	s.keepRecord()
}

// keepRecord writes the record; one that cannot be written costs what it remembers, and nothing else. It needs mu.
func (s *Secrets) keepRecord() {
	if err := s.record.write(s.cfg.StateDir); err != nil {
		s.cfg.Log.Debug("node.secret.unrecorded", "error", err)
	}
}

// Reload takes what a secret file holds now, and reports whether that is something else. f is what a reload has read and checked; a
// rotation may have taken a step since, so the file is read again, and f holds only where that fails.
func (s *Secrets) Reload(file string, f *trust.SecretFile) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = file
	if again, err := trust.ReadSecrets(file); err == nil && !again.Exposed {
		f = again
	}
	if slices.Equal(s.held, f.Secrets) {
		return false
	}
	s.record = s.record.holding(f.Secrets, time.Now())
	s.keepRecord()
	s.take(f.Secrets)
	return true
}

// take brings secrets into force. It needs mu.
func (s *Secrets) take(secrets []trust.Secret) {
	s.held = secrets
	keys := (&trust.SecretFile{Secrets: secrets}).Keys()
	s.ring.Set(keys[0], keys[1:]...)
	s.cfg.Log.Info("node.secret.changed", "held", strings.Join(shortNames(secrets), ","))
	if s.router != nil {
		_ = s.router.SecretsChanged() // a router that has stopped has no sessions
	}
}

// store writes secrets to the file and brings them into force, as a step of a rotation; the record is written first. After an error
// all is as before. It needs mu.
func (s *Secrets) store(secrets []trust.Secret, r *rotation) error {
	before := s.record
	s.record = before.holding(secrets, time.Now())
	s.record.Rotation = r
	err := s.record.write(s.cfg.StateDir)
	if err == nil {
		err = trust.ReplaceSecrets(s.file, s.held, secrets)
	}
	if err != nil {
		s.record = before
		s.keepRecord()
		return err
	}
	s.take(secrets)
	return nil
}

// Held are the secrets, as status shows them.
func (s *Secrets) Held() []api.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]api.Secret, len(s.held))
	for i, secret := range s.held {
		list[i] = api.Secret{ID: secret.ID().Short(), First: i == 0, Since: s.record.since(secret.ID())}
	}
	return list
}

// Retired says since when this node does not hold a secret any more that it held before; zero: it never did, or forgot. The secret is
// named by its short id.
func (s *Secrets) Retired(id string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.record.Retired {
		if trust.SecretID(d.ID).Short() == id {
			return d.Since
		}
	}
	return time.Time{}
}

// Back says when the secret that this node speaks under was retired here, if it was and came back, as an old copy of the file
// brings it; zero: it was not.
func (s *Secrets) Back() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.Held[0].Back
}

func ids(secrets []trust.Secret) []trust.SecretID {
	list := make([]trust.SecretID, len(secrets))
	for i, s := range secrets {
		list[i] = s.ID()
	}
	return list
}

func shortNames(secrets []trust.Secret) []string {
	list := make([]string, len(secrets))
	for i, s := range secrets {
		list[i] = s.ID().Short()
	}
	return list
}
