package node

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/encap"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/secrets"
	"github.com/weftnet/weft/trust"
)

// readAuthorities reads the public keys of the authorities of a configuration; none: it is not strict.
func readAuthorities(cfg *config.Config) (trust.AuthorityKeys, error) {
	if cfg.Authority == "" {
		return nil, nil
	}
	keys, err := trust.ReadAuthorityKeys(cfg.Authority)
	if err == nil {
		return keys, nil
	}
	if !strings.Contains(err.Error(), "'weft authority new'") { // it does not say yet what to do
		err = fmt.Errorf("%w (name the file with the public key, which 'weft authority new' made)", config.RootHint(err))
	}
	return nil, cfg.Placed(config.KeyErrorf("authority", "%w", err))
}

// ownCertificate is what is asked of a node's own certificate.
type ownCertificate struct {
	authorities trust.AuthorityKeys // empty: whose it is cannot be told
	holder      trust.Fingerprint   // zero: there is no key yet
	name        string
	now         time.Time
}

// read reads the certificate of a configuration, and refuses what the other nodes would; nil: there is none, and none is needed.
func (o ownCertificate) read(cfg *config.Config) (*trust.Certificate, error) {
	if cfg.Certificate == "" && len(o.authorities) == 0 {
		return nil, nil
	}
	if cfg.Certificate == "" {
		return nil, cfg.Placed(config.KeyErrorf("authority", "it takes certified nodes only, and this node has no certificate: sign what 'weft authority request' prints with 'weft authority sign', and name the file with certificate"))
	}
	c, err := trust.ReadCertificate(cfg.Certificate)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (sign what 'weft authority request' prints with 'weft authority sign', and put it there)", err)
	}
	if err == nil {
		if why := cmp.Or(o.refuse(c), refuseHoldings(c, cfg)); why != "" {
			err = fmt.Errorf("%s: %s", cfg.Certificate, why)
		}
	}
	if err != nil {
		return nil, cfg.Placed(config.KeyErrorf("certificate", "%w", config.RootHint(err)))
	}
	return c, nil
}

// refuse says what is wrong with a certificate, and what to do about it, or "".
func (o ownCertificate) refuse(c *trust.Certificate) string {
	if o.holder.IsZero() {
		return "this node has no key yet that it could be for: run 'weft authority request' and sign what it prints"
	}
	err := c.CheckHolder(o.holder, o.name)
	if len(o.authorities) > 0 {
		err = trust.NewAdmission(o.authorities).Check(c, o.holder, o.name)
	}
	refused := new(trust.NotAdmittedError)
	if !errors.As(cmp.Or(err, c.CheckTime(o.now)), &refused) {
		return ""
	}
	switch refused.Reason {
	case trust.ReasonKey:
		return fmt.Sprintf("it is for key %s, and this node's is %s: sign another one for this node, or bring its own here", c.Fingerprint.Short(), o.holder.Short())
	case trust.ReasonName:
		return fmt.Sprintf("it is for the name %q, and this node is called %q: set name, or sign another one for this name", c.Name, o.name)
	case trust.ReasonEarly:
		return fmt.Sprintf("it counts from %s, and by this host's clock it is %s: set the clock that is wrong", utc(c.NotBefore), utc(o.now))
	case trust.ReasonExpired:
		return fmt.Sprintf("it expired %s, and by this host's clock it is %s: sign a new one, or set the clock", utc(c.NotAfter), utc(o.now))
	}
	return fmt.Sprintf("%v: sign another one with the key of that authority, or name the public key of the authority that signed it", errors.Unwrap(refused))
}

// refuseHoldings says what of a configuration a certificate does not allow, or "".
func refuseHoldings(c *trust.Certificate, cfg *config.Config) string {
	for _, p := range cfg.Subnet.Prefixes {
		switch allowed := cmp.Or(config.Joined(c.Subnets), "none"); {
		case c.AllowsSubnet(p):
		case cfg.Subnet.K8s:
			return fmt.Sprintf("it does not allow podCIDR %s (it allows %s): sign another one with --subnet %s, and run 'weft reload'", p, allowed, p)
		default:
			return fmt.Sprintf("it does not allow subnet %s (it allows %s): sign another one, or change subnet", p, allowed)
		}
	}
	for _, p := range cfg.Routes {
		if !c.AllowsRoute(p) {
			return fmt.Sprintf("it does not allow route %s (it allows %s): sign another one, or change routes", p, cmp.Or(config.Joined(c.Routes), "none"))
		}
	}
	if cfg.Subnet.Auto && !slices.ContainsFunc(cfg.Network, func(n netip.Prefix) bool { return allowsAny(c, n) }) {
		return fmt.Sprintf("it allows no subnet in network %s (it allows %s): sign another one", config.Joined(cfg.Network), cmp.Or(config.Joined(c.Subnets), "none"))
	}
	return ""
}

// allowsAny reports whether a certificate allows any subnet of a network.
func allowsAny(c *trust.Certificate, network netip.Prefix) bool {
	return slices.ContainsFunc(c.Subnets, func(p netip.Prefix) bool { return p.Overlaps(network) })
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// readAdmission reads authorities and certificate of a configuration. It makes no key.
func readAdmission(cfg *config.Config, now time.Time) (*trust.Admission, error) {
	authorities, err := readAuthorities(cfg)
	if err != nil {
		return nil, err
	}
	o := ownCertificate{authorities: authorities, name: cfg.Name, now: now}
	if o.holder, err = presentKey(cfg.StateDir); err != nil {
		return nil, keyError(cfg, err)
	}
	own, err := o.read(cfg)
	if err != nil {
		return nil, err
	}
	a := trust.NewAdmission(authorities)
	a.SetOwn(own)
	return a, nil
}

// presentKey is the fingerprint of the key in a state directory; zero: there is none yet.
func presentKey(dir string) (trust.Fingerprint, error) {
	if _, err := os.Lstat(filepath.Join(dir, trust.IdentityFile)); errors.Is(err, fs.ErrNotExist) {
		return trust.Fingerprint{}, nil
	}
	id, _, err := trust.LoadIdentity(dir, nil)
	if err != nil {
		return trust.Fingerprint{}, err
	}
	return id.Fingerprint(), nil
}

// renewal reads the certificate again for a reload, and what changed in it; nil: nothing.
func (n *Node) renewal(want *config.Config) (own *trust.Certificate, changed, waiting []api.Change, err error) {
	authorities, err := readAuthorities(want)
	if err != nil {
		return nil, nil, nil, err
	}
	if now := n.admission.Authorities(); !authorities.Equal(now) && want.Authority == n.config().Authority {
		waiting = append(waiting, api.Change{Key: "authority", Old: now.String(), New: authorities.String()})
	}
	o := ownCertificate{authorities: n.admission.Authorities(), holder: n.identity.Fingerprint(), name: n.config().Name, now: time.Now()}
	if own, err = o.read(want); err != nil {
		return nil, nil, nil, err
	}
	if before, after := certificateText(n.admission.Own()), certificateText(own); before != after && want.Certificate == n.config().Certificate {
		changed = append(changed, api.Change{Key: "certificate", Old: before, New: after})
	}
	return own, changed, waiting, nil
}

// renew shows the others another certificate.
func (n *Node) renew(own *trust.Certificate) {
	if before := n.admission.Own(); certificateText(before) == certificateText(own) {
		return
	}
	n.mesh.SetCertificate(own)
	n.noteCertificate()
}

// certificateText tells certificates apart, for people.
func certificateText(c *trust.Certificate) string {
	if c == nil {
		return "none"
	}
	return fmt.Sprintf("serial %d until %s", c.Serial, utc(c.NotAfter))
}

// The times before its end at which a certificate is warned of.
const (
	expiresSoon     = 30 * 24 * time.Hour
	expiresVerySoon = 7 * 24 * time.Hour
)

// noteCertificate says in status and log when this node's certificate ends soon, has ended, or was revoked. Each is logged once.
func (n *Node) noteCertificate() {
	c, now := n.admission.Own(), time.Now()
	if c == nil {
		n.state.problem("certificate", "")
		return
	}
	err := cmp.Or(n.admission.Standing(n.identity.Fingerprint(), c, now), c.CheckTime(now))
	left := c.NotAfter.Sub(now)
	switch {
	case err != nil:
		if n.state.problem("certificate", fmt.Sprintf("no other node takes this one: %v: %s", err, n.certificateRemedy(err))) {
			n.log.Error("node.certificate.refused", "reason", err.Error(), "file", n.config().Certificate)
		}
	case left < expiresVerySoon:
		n.noteExpiry(c, "7 days")
	case left < expiresSoon:
		n.noteExpiry(c, "30 days")
	default:
		n.state.problem("certificate", "")
	}
}

// certificateRemedy is what makes the others take this node again, which they do not for why. Where its key was revoked, no other
// certificate does.
func (n *Node) certificateRemedy(why error) string {
	refused := new(trust.NotAdmittedError)
	switch {
	case !errors.As(why, &refused):
	case refused.Reason == trust.ReasonEarly:
		return "set the clock that is wrong"
	case refused.Reason == trust.ReasonExpired:
		return "sign a new one and run 'weft reload', or set the clock if it is wrong"
	}
	if errors.As(n.admission.Standing(n.identity.Fingerprint(), nil, time.Now()), &refused) && refused.Reason == trust.ReasonRevoked {
		return "if this node shall take part again, run 'weft key replace', sign a certificate for the new key, and restart"
	}
	return "sign a new one and run 'weft reload'"
}

// noteExpiry says that the certificate ends in less than so much.
func (n *Node) noteExpiry(c *trust.Certificate, within string) {
	reason := fmt.Sprintf("it expires %s, in less than %s: sign a new one and run 'weft reload'", utc(c.NotAfter), within)
	if n.state.problem("certificate", reason) {
		n.log.Warn("node.certificate.expires", "at", utc(c.NotAfter), "within", within, "file", n.config().Certificate)
	}
}

// trustReport says who may take part.
func (n *Node) trustReport() api.Trust {
	r := api.Trust{
		Authorities: []string{}, Revoked: len(n.admission.Revocations()), Banned: len(n.admission.Banned()), Refused: n.mesh.Counters().Refused,
	}
	for _, k := range n.admission.Authorities() {
		r.Authorities = append(r.Authorities, k.ID().String())
	}
	if c := n.admission.Own(); c != nil {
		shown := api.CertificateOf(c)
		r.Certificate = &shown
	}
	return r
}

// permitRotation refuses a rotation that the authority did not sign, where one says who may take part: one certified node that was taken
// over could change the secret of all.
func (n *Node) permitRotation(o encap.SecretOffer) error {
	if !n.admission.Strict() {
		return nil
	}
	if len(o.Signed) == 0 {
		return fmt.Errorf("%w: sign what 'weft secret rotate --request' prints with 'weft authority rotate', and give it to 'weft secret rotate --signed'", secrets.ErrUnsigned)
	}
	p, err := trust.ParseRotationPermit(o.Signed)
	if err != nil {
		return err
	}
	return n.admission.Authorities().Permits(p, o.Old, o.New, time.Now())
}

// serveRevoke answers 'weft peers revoke'.
func (n *Node) serveRevoke(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	done, err := n.revoke(query.Get("peer"), query.Get("signed"))
	switch {
	case errors.Is(err, ErrUnknownPeer):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, config.ErrConfig):
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	default:
		reply(func() (*api.Revoked, error) { return done, err })(w, r)
	}
}

// revoke shuts a peer out, by name or by the authority's word.
func (n *Node) revoke(name, signed string) (*api.Revoked, error) {
	if name != "" {
		peer, err := n.peerNamed(name)
		if err != nil {
			return nil, err
		}
		id, err := trust.ParseFingerprint(peer.ID)
		if err != nil {
			return nil, err
		}
		return &api.Revoked{What: peer.Name + " (key " + id.String() + ")", News: n.mesh.Ban(id)}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(signed)
	if err != nil {
		return nil, config.Errorf("revocation: %w", err)
	}
	r, err := trust.ParseRevocation(raw)
	if err != nil {
		return nil, config.Errorf("%w", err)
	}
	news, err := n.mesh.Revoke(r)
	if err != nil {
		return nil, config.Errorf("revocation of %s: %w", r.What(), err)
	}
	return &api.Revoked{What: r.What(), News: news}, nil
}
