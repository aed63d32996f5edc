// Package reason is the catalogue of everything that Shoal says about its decisions. A Code stands for one cause. The
// same code and the same words appear in scenario files, events, conditions, metric labels and refusals of the
// scheduler, and each code has a page in docs/reasons/, generated from this catalogue.
//
// The package decides nothing and imports nothing but fmt and strings.
package reason
