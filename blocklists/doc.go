// Package blocklists turns what others publish into what filter decides by:
//
//	fetch → unpack → parse → sort → store → merge → snapshot
//
// Memory does not grow with a list anywhere on that way. A list is read line by
// line into reused buffers (parse, one small file per format), sorted in runs
// that spill to a file (sorter), and kept in blocklists.db as sorted, front-coded
// and compressed chunks (chunk). Build merges all sources with the catalogue
// (merge), as often as filter's builder asks for, and stores the result whole.
// Each of these steps either finishes or leaves what was there: the last good
// list, the last good snapshot.
//
// The catalogue itself can be another than the built-in one (replacement): text
// or v2fly's files, signed where they are fetched, checked as a whole before they
// count, and never able to take away what protects a child.
//
// What a list may do is bounded too: a public suffix, a protected name, or a
// name that has no place in DNS is refused and counted, with the line it stood
// on; a file that is no list at all is refused whole; and an update that changes
// too much of a list is held until somebody accepts it.
package blocklists
