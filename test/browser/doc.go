// Package browser looks at the pages that kubectl-shoal writes as a person does: in Chromium, on a screen in the light and in
// the dark, on a phone, and on paper. It starts a browser of its own, and asks no network for anything. `make browser-test`.
package browser
