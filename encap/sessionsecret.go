package encap

import "slices"

// DropForeign closes the keypairs that were made under a secret which the node does not hold any more, and reports whether the one to
// send under was among them.
func (s *Session) DropForeign() (current bool) {
	foreign := func(k *Keypair) bool { return k != nil && !s.cfg.Local.Ring.Holds(k.Secret) }
	if k := s.Current(); foreign(k) {
		s.current.Store(nil)
		s.release(k)
		current = true
	}
	if foreign(s.next) {
		s.release(s.next)
		s.next = nil
	}
	s.old = slices.DeleteFunc(s.old, func(r retired) bool {
		if foreign(r.keys) {
			s.release(r.keys)
			return true
		}
		return false
	})
	return current
}
