package node

import (
	"reflect"
	"time"
)

// repairs bound what is said of changes to the host's network stack: where another program undoes them each time, there are
// several in a second. They belong to the keeper.
type repairs struct{ kernel, firewall, forwarding, bridge, guard repair }

// repair counts the changes of one kind that were made although nothing new was wanted.
type repair struct {
	want   any       // that the last change was made for
	minute time.Time // that began with the first of told
	told   int
}

// maxRepairs is how many repairs are told of in a minute.
const maxRepairs = 10

// add counts a change that was made for want, which nobody changes afterwards. It returns whether to tell of it, or else
// whether to say, once in that minute, that somebody else keeps undoing them. A change for another want than the last is no
// repair, and always told of.
func (r *repair) add(want any, now time.Time) (tell, contested bool) {
	if !reflect.DeepEqual(want, r.want) {
		r.want = want
		return true, false
	}
	if now.Sub(r.minute) > time.Minute {
		r.minute, r.told = now, 0
	}
	r.told++
	return r.told <= maxRepairs, r.told == maxRepairs+1
}
