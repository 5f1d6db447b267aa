"""Whether what is there of a run is what its jobs would leave as it is: trained, and measured, with the code of now."""

from pathlib import Path

from .. import kept, layout
from ..files import UserError
from ..fingerprint import code_fingerprint, method_fingerprint, training_fingerprint
from ..quantization import further, variants
from ..specs import Run
from ..training import finished
from .study import Study

SCRIPTS = Path(__file__).parents[2]


def is_trained(run: Run, results: Path) -> bool:
    """Whether a run is there that scripts/train.py would not train again. results: the folder of results."""
    try:
        wanted = finished.run_provenance(run, training_fingerprint(SCRIPTS, run), results)
    except UserError:  # its data are not there
        return False
    return finished.is_done(results / layout.run_folder(run), wanted)


def is_measured(study: Study, run: Run, results: Path) -> bool:
    """Whether a trained run's variants, measurements and answers, as a study asks for them, are there as well."""
    methods, questions = study.methods(run.slug), study.extractions(run.slug)
    scored = study.scored_people(run.slug)
    try:
        for method in methods:
            code = method_fingerprint(SCRIPTS, method)
            file = results / layout.variants_file(run, method)
            there = further.quantizers_applied(file, study.quantizers(run.slug, method))
            if not variants.is_current(file, kept.variants_provenance(run, results, there, code)):
                return False
        code = code_fingerprint(SCRIPTS, "measure.py")
        methods = further.methods_measured(run, results, methods)
        tables = {layout.measurements_file: kept.measurements_provenance(run, results, methods, scored, code)}
        if questions:
            code = code_fingerprint(SCRIPTS, "extract.py")
            tables[layout.extraction_file] = kept.answers_provenance(run, results, questions, code)
    except UserError:  # a file that these are made from is not there
        return False
    return all(kept.is_table_current(results / path(run), made_from) for path, made_from in tables.items())
