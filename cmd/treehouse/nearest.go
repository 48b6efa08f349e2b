package main

import "fmt"

// A word is meant by another if one letter in so many is wrong, at least one and
// at most so many. Beyond that a guess leads away.
const (
	wrongOneIn = 3
	wrongMost  = 3
)

// didYouMean proposes the word of a list that is nearest to a mistyped one, or
// says instead where to look.
func didYouMean(word string, list []string, instead string) string {
	best, bestDistance := "", min(max(len(word)/wrongOneIn, 1), wrongMost)+1
	for _, candidate := range list {
		if d := distance(word, candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	if best == "" {
		return instead
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance counts insertions, deletions, substitutions, and neighbours that
// changed places (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last[j-1]
			if a[i-1] != b[j-1] {
				cost++
			}
			row[j] = min(cost, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
