package ipam

import "strings"

// Lookup returns what the attachment holds, without waiting for anybody. It reads the attachment's lines alone where the book is as encode
// wrote it: DEL needs nothing of the rest, and whoever changes the book reads all of it. The error is a *DamagedError or that of the file
// system.
func (b *Book) Lookup(k Key) (Record, bool, error) {
	text, err := b.text()
	if err != nil {
		return Record{}, false, err
	}
	records, ok := linesOf(string(text), k)
	c := contents{Records: records}
	switch {
	case text == nil: // there is no book
	case ok:
		c.expire(b.opts.BootID, b.opts.Uptime())
	default:
		if c, err = b.current(); err != nil {
			return Record{}, false, err
		}
	}
	if r := c.held(k); r != nil {
		return *r, true, nil
	}
	return Record{}, false, nil
}

// linesOf are the records of an attachment. ok: text is as encode wrote it of plain texts, as far as these lines, its start and its end tell.
func linesOf(text string, k Key) (records []Record, ok bool) {
	if !isPlain(k.Container) || !isPlain(k.IfName) || !strings.HasPrefix(text, headStart) || !strings.HasSuffix(text, bookEnd) {
		return nil, false
	}
	start := "\n" + `{"container":"` + k.Container + `","ifname":"` + k.IfName + `"`
	for {
		at := strings.Index(text, start)
		if at < 0 {
			return records, true
		}
		s := scanner{rest: text[at+1:]}
		r := s.record()
		if s.failed || r.check() != nil {
			return nil, false
		}
		records, text = append(records, r), s.rest
	}
}
