package linkstate

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weftnet/weft/trust"
)

// drawPages draws pages of one node, each with a stamp of its own, and with links to two of eight numbers.
func drawPages(t *rapid.T) []*page {
	var pages []*page
	for stamp := range rapid.IntRange(1, 7).Draw(t, "pages") {
		bits := uint8(rapid.IntRange(0, 3).Draw(t, "bits"))
		s := span{bits, uint8(rapid.IntRange(0, 1<<bits-1).Draw(t, "index"))}
		p := &page{version: version{origin: 1, span: s, stamp: uint64(stamp + 1)}}
		for i := range trust.Number(8) {
			if n := i<<61 | 7; s.contains(n) && rapid.Bool().Draw(t, "linked") {
				p.links = append(p.links, stated{peer: n})
			}
		}
		pages = append(pages, p)
	}
	return pages
}

func TestWhatANodeSaysDependsOnItsPagesAndNotOnTheirOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pages := drawPages(t)
		var a, b origin
		for _, p := range pages { // the older ones first
			a.put(p)
		}
		shuffled := rapid.Permutation(pages).Draw(t, "order")
		for _, p := range append(shuffled, shuffled...) {
			if !outdated(p.version, b.versions(nil)) {
				b.put(p)
			}
		}
		if x, y := sortedVersions(&a), sortedVersions(&b); !slices.Equal(x, y) {
			t.Errorf("in order %v are in force, else %v", x, y)
		}
		for i := range trust.Number(8) {
			checkNewest(t, pages, &b, i<<61|7)
		}
	})
}

func sortedVersions(o *origin) []version {
	list := o.versions(nil)
	slices.SortFunc(list, func(a, b version) int { return int(a.stamp) - int(b.stamp) })
	return list
}

// checkNewest compares what is said of a number with the newest page that says anything of it.
func checkNewest(t *rapid.T, pages []*page, o *origin, n trust.Number) {
	want := false
	for _, p := range pages { // in the order of their stamps
		if p.span.contains(n) {
			_, want = p.to(n)
		}
	}
	if _, up := o.to(n); up != want {
		t.Errorf("the link to %v is up: %v, want %v", n, up, want)
	}
}

func TestVersionsOfOneNodeFitAMessage(t *testing.T) {
	o := origin{}
	for i := range 1 << maxBits { // each of the finest range: none outdates another
		o.put(&page{version: version{origin: 1, span: span{maxBits, uint8(i)}, stamp: uint64(i + 1)}})
	}
	if len(o.pages) != 1<<maxBits || len(o.pages) > maxVersions {
		t.Errorf("%d pages in force, %d fit", len(o.pages), maxVersions)
	}
	if got := len(versionsMessage(0, ^trust.Number(0), make([]version, maxVersions))); got > MaxMessage {
		t.Errorf("versions of %d bytes", got)
	}
	if got := len(requestMessage(make([]want, maxWants))); got > MaxMessage {
		t.Errorf("request of %d bytes", got)
	}
	if got := len(summaryMessage(make([]uint64, maxBuckets))); got > MaxMessage {
		t.Errorf("summary of %d bytes", got)
	}
}

func TestBucketsDivideAllNumbers(t *testing.T) {
	for buckets := 1; buckets <= maxBuckets; buckets *= 2 {
		next := trust.Number(0)
		for i := range buckets {
			first, last := bucketEnds(i, buckets)
			if first != next || bucketOf(first, buckets) != i || bucketOf(last, buckets) != i {
				t.Fatalf("bucket %d of %d is from %v to %v", i, buckets, first, last)
			}
			next = last + 1
		}
		if next != 0 {
			t.Errorf("%d buckets end before %v", buckets, next)
		}
	}
}

func TestThePeersThatAPageChangesAreAllTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o origin
		for _, p := range drawPages(t) {
			before := map[trust.Number]bool{}
			for i := range trust.Number(8) {
				_, before[i<<61|7] = o.to(i<<61 | 7)
			}
			touched := changes(&o, p)
			o.put(p)
			states := o.reader()
			for i := range trust.Number(8) {
				n := i<<61 | 7
				_, after := o.to(n)
				if after != before[n] && !slices.Contains(touched, n) {
					t.Errorf("the link to %v is up: %v, before: %v, and it is not among %v", n, after, before[n], touched)
				}
				if got := states(n); got != after {
					t.Errorf("read in order, the link to %v is up: %v, want %v", n, got, after)
				}
			}
		}
	})
}

func TestDifferencesAreWhatOneListHasAndTheOtherHasNot(t *testing.T) {
	list := func(links ...stated) []stated { return links }
	good, bad := quality{rtt: 1}, quality{rtt: 2}
	a := list(stated{1, good}, stated{2, good}, stated{4, good}, stated{7, good})
	b := list(stated{1, good}, stated{3, good}, stated{4, bad}, stated{8, good}, stated{9, good})
	if got, want := differences(a, b), []trust.Number{2, 3, 4, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("differences %v, want %v", got, want)
	}
	if got := differences(a, a); len(got) > 0 {
		t.Errorf("a list differs from itself in %v", got)
	}
}
