package agent

import (
	"errors"
	"fmt"
	"io"

	"sigs.k8s.io/json"
)

// DecodeReport reads a report and validates it. Fields that are not known, that are there twice or in another case, what
// follows the report, and more than MaxReportBytes are errors.
func DecodeReport(from io.Reader) (Report, error) {
	var r Report
	if err := decode(from, MaxReportBytes, &r); err != nil {
		return Report{}, fmt.Errorf("reading a report: %w", err)
	}
	if err := r.Validate(); err != nil {
		return Report{}, fmt.Errorf("reading a report: %w", err)
	}
	return r, nil
}

// DecodeRequest reads a request and validates it, as strictly as DecodeReport.
func DecodeRequest(from io.Reader) (Request, error) {
	var r Request
	if err := decode(from, MaxRequestBytes, &r); err != nil {
		return Request{}, fmt.Errorf("reading a request: %w", err)
	}
	if err := r.Validate(); err != nil {
		return Request{}, fmt.Errorf("reading a request: %w", err)
	}
	return r, nil
}

// DecodeAnswer reads an answer, whose report and state are validated.
func DecodeAnswer(from io.Reader) (Answer, error) {
	var a Answer
	if err := decode(from, MaxAnswerBytes, &a); err != nil {
		return Answer{}, fmt.Errorf("reading an answer: %w", err)
	}
	if err := firstOf(validVersion(a.Version), validProblem(a.Problem), validRefusal(a.Refused), a.State.validate(), a.Report.Validate()); err != nil {
		return Answer{}, fmt.Errorf("reading an answer: %w", err)
	}
	return a, nil
}

func decode(from io.Reader, most int64, into any) error {
	data, err := io.ReadAll(io.LimitReader(from, most+1))
	if err != nil {
		return err
	}
	if int64(len(data)) > most {
		return fmt.Errorf("it has more than %d bytes", most)
	}
	strict, err := json.UnmarshalStrict(data, into)
	return errors.Join(append([]error{err}, strict...)...)
}
