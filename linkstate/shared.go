package linkstate

import "github.com/weftnet/weft/trust"

// maxShared bounds what a Shared holds, in pages.
const maxShared = 1 << 16

// Shared spares engines of one process the work and the memory of reading the same pages once for each of them. Only simulations have many
// engines; the zero value is ready. It belongs to the goroutine of all of them.
type Shared struct {
	pages map[string]*sharedPage // by their bytes
}

// sharedPage is a page as every engine reads it.
type sharedPage struct {
	page
	checked  bool             // whether the signature matches is known,
	keys     trust.PublicKeys // for these keys
	verified bool
}

// decode is decodePage. What the pages of several engines refer to is the same memory, which nobody changes.
func (s *Shared) decode(raw []byte) (*page, error) {
	if s == nil {
		return decodePage(raw)
	}
	if known := s.pages[string(raw)]; known != nil {
		p := known.page
		return &p, nil
	}
	p, err := decodePage(raw)
	if err != nil {
		return nil, err
	}
	if s.pages == nil || len(s.pages) >= maxShared {
		s.pages = map[string]*sharedPage{}
	}
	s.pages[string(raw)] = &sharedPage{page: *p}
	return p, nil
}

// verify is page.verify.
func (s *Shared) verify(p *page, keys trust.PublicKeys) bool {
	if s == nil || s.pages[string(p.raw)] == nil {
		return p.verify(keys)
	}
	known := s.pages[string(p.raw)]
	if !known.checked || known.keys != keys {
		known.checked, known.keys, known.verified = true, keys, p.verify(keys)
	}
	return known.verified
}
