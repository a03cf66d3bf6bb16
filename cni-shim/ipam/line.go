package ipam

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The book is JSON: a head, and a line for each record. Whoever changes it reads and writes all of it while others wait for the lock, and
// encoding/json would take most of that time. So what encoding/json makes of texts without escapes is written here, and read again;
// anything else is left to encoding/json.

const (
	headStart = `{"version":1`
	headLast  = `,"last":{`
	headEnd   = `,"records":[`
)

// appendHead appends what stands before the first record.
func (c *contents) appendHead(text []byte) []byte {
	text = append(text, headStart...)
	if len(c.Last) > 0 {
		text = append(append(text, headLast...), c.lasts()...)
		text = append(text, '}')
	}
	return append(text, headEnd...)
}

func (c *contents) lasts() string {
	var pairs []string
	for _, p := range slices.SortedFunc(maps.Keys(c.Last), netip.Prefix.Compare) {
		pairs = append(pairs, `"`+p.String()+`":"`+c.Last[p].String()+`"`)
	}
	return strings.Join(pairs, ",")
}

// appendTo appends the record's line, without its end.
func (r *Record) appendTo(text []byte) ([]byte, error) {
	if !r.isPlain() {
		line, err := json.Marshal(r)
		return append(text, line...), err
	}
	text = appendMember(text, `{"container":`, r.Container)
	text = appendMember(text, `,"ifname":`, r.IfName)
	text = appendMember(text, `,"network":`, r.Network)
	text = r.Pod.appendTo(text)
	text = appendOptional(text, `,"netns":`, r.NetNS)
	text = appendOptional(text, `,"host_end":`, r.HostEnd)
	text = append(text, `,"addresses":[`...)
	for i, a := range r.Addresses {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(a.AppendTo(append(text, '"')), '"')
	}
	text = appendMember(text, `],"boot_id":`, r.BootID)
	text = appendMember(text, `,"state":`, string(r.State))
	text = r.Since.AppendFormat(append(text, `,"since":"`...), time.RFC3339Nano)
	return append(strconv.AppendInt(append(text, `","uptime_ms":`...), r.Uptime, 10), '}'), nil
}

func (p Pod) appendTo(text []byte) []byte {
	switch {
	case p == Pod{}:
		return text
	case p.Namespace == "":
		text = appendMember(text, `,"pod":{"name":`, p.Name)
	default:
		text = appendMember(text, `,"pod":{"namespace":`, p.Namespace)
		text = appendOptional(text, `,"name":`, p.Name)
	}
	return append(text, '}')
}

func appendMember(text []byte, name, value string) []byte {
	return append(append(append(append(text, name...), '"'), value...), '"')
}

func appendOptional(text []byte, name, value string) []byte {
	if value == "" {
		return text
	}
	return appendMember(text, name, value)
}

// isPlain reports whether encoding/json would write every value of the record as it is.
func (r *Record) isPlain() bool {
	for _, s := range []string{r.Container, r.IfName, r.Network, r.Pod.Namespace, r.Pod.Name, r.NetNS, r.HostEnd, r.BootID, string(r.State)} {
		if !isPlain(s) {
			return false
		}
	}
	year := r.Since.Year()
	return r.Since.Location() == time.UTC && year >= 0 && year <= 9999 && len(r.Addresses) > 0 && !slices.ContainsFunc(r.Addresses, isOdd)
}

func isOdd(a netip.Addr) bool { return !plain(a) }

// isPlain reports whether encoding/json writes s without an escape: ASCII, less control characters, quotes, and what HTML treats specially.
func isPlain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// parse understands a book as encode wrote it of plain texts; ok: it was one. The contents are to be checked still.
func parse(text string) (c contents, ok bool) {
	s := scanner{rest: text}
	c.Version = version
	s.literal(headStart)
	c.Last = s.last()
	s.literal(headEnd)
	if s.optional(bookEnd) {
		return c, !s.failed && s.rest == ""
	}
	c.Records = make([]Record, 0, strings.Count(s.rest, "\n"))
	for more := true; more && !s.failed; more = s.optional(",") {
		s.literal("\n")
		c.Records = append(c.Records, s.record())
	}
	s.literal(bookEnd)
	return c, !s.failed && s.rest == ""
}

// scanner reads a text from its start. Once something else is there than expected, it has failed, and what it returns means nothing.
type scanner struct {
	rest   string
	failed bool
}

func (s *scanner) literal(want string) {
	if !s.optional(want) {
		s.failed = true
	}
}

func (s *scanner) optional(want string) (found bool) {
	s.rest, found = strings.CutPrefix(s.rest, want)
	return found
}

// quoted is a text between quotes.
func (s *scanner) quoted() string {
	s.literal(`"`)
	value, rest, ok := strings.Cut(s.rest, `"`)
	if !ok || !isPlain(value) {
		s.failed = true
		return ""
	}
	s.rest = rest
	return value
}

// member is the value that follows the name where that is there, "" elsewhere.
func (s *scanner) member(name string) string {
	if s.optional(name) {
		return s.quoted()
	}
	return ""
}

func (s *scanner) required(name string) string {
	s.literal(name)
	return s.quoted()
}

func (s *scanner) last() map[netip.Prefix]netip.Addr {
	if !s.optional(headLast) {
		return nil
	}
	last := map[netip.Prefix]netip.Addr{}
	for more := true; more && !s.failed; more = s.optional(",") {
		p, err := netip.ParsePrefix(s.quoted())
		s.failed = s.failed || err != nil
		s.literal(":")
		last[p] = s.addr()
	}
	s.literal("}")
	return last
}

func (s *scanner) addr() netip.Addr {
	a, err := netip.ParseAddr(s.quoted())
	s.failed = s.failed || err != nil
	return a
}

func (s *scanner) record() (r Record) {
	r.Container = s.required(`{"container":`)
	r.IfName = s.required(`,"ifname":`)
	r.Network = s.required(`,"network":`)
	r.Pod = s.pod()
	r.NetNS = s.member(`,"netns":`)
	r.HostEnd = s.member(`,"host_end":`)
	r.Addresses = s.addresses()
	r.BootID = s.required(`,"boot_id":`)
	r.State = State(s.required(`,"state":`))
	s.failed = r.Since.UnmarshalText([]byte(s.required(`,"since":`))) != nil || s.failed
	r.Uptime = s.uptime()
	s.literal("}")
	return r
}

func (s *scanner) pod() (p Pod) {
	if !s.optional(`,"pod":{`) {
		return p
	}
	if p.Namespace = s.member(`"namespace":`); p.Namespace != "" {
		p.Name = s.member(`,"name":`)
	} else {
		p.Name = s.required(`"name":`)
	}
	s.literal("}")
	return p
}

func (s *scanner) addresses() (list []netip.Addr) {
	s.literal(`,"addresses":[`)
	for more := true; more && !s.failed; more = s.optional(",") {
		list = append(list, s.addr())
	}
	s.literal("]")
	return list
}

// uptime is a number as strconv writes it, which JSON has too.
func (s *scanner) uptime() int64 {
	s.literal(`,"uptime_ms":`)
	digits := s.rest[:len(s.rest)-len(strings.TrimLeft(s.rest, "0123456789"))]
	n, err := strconv.ParseInt(digits, 10, 64)
	s.failed = s.failed || err != nil || len(digits) > 1 && digits[0] == '0'
	s.rest = s.rest[len(digits):]
	return n
}
