package ipam

import (
	"bytes"
	"encoding/json"
)

// Lookup returns what the attachment holds, without waiting for anybody. It reads the attachment's lines alone where the book is as encode
// wrote it: a plugin looks up one record of hundreds, and whoever changes the book reads all of it. The error is a *DamagedError or that of
// the file system.
func (b *Book) Lookup(k Key) (Record, bool, error) {
	text, err := b.text()
	if err != nil {
		return Record{}, false, err
	}
	records, ok := linesOf(text, k.Container)
	c := contents{Records: records}
	if ok {
		c.expire(b.opts.BootID, b.opts.Uptime())
	} else if c, err = b.current(); err != nil {
		return Record{}, false, err
	}
	if r := c.held(k); r != nil {
		return *r, true, nil
	}
	return Record{}, false, nil
}

// linesOf are the records whose lines have the name of a container, those of the container among them. ok: text is none, or as encode wrote
// it, as far as these lines and its end tell.
func linesOf(text []byte, container string) (records []Record, ok bool) {
	name, err := json.Marshal(container)
	if err != nil || text != nil && !bytes.HasSuffix(text, []byte(bookEnd)) {
		return nil, false
	}
	for {
		at := bytes.Index(text, name)
		if at < 0 {
			return records, true
		}
		start, end := bytes.LastIndexByte(text[:at], '\n')+1, at+bytes.IndexByte(text[at:], '\n')
		d := json.NewDecoder(bytes.NewReader(bytes.TrimSuffix(text[start:end], []byte{','})))
		d.DisallowUnknownFields()
		var r Record
		if d.Decode(&r) != nil || d.More() || r.check() != nil {
			return nil, false
		}
		records, text = append(records, r), text[end:]
	}
}
