"""The backend on CTranslate2: several windows in one call of a library that runs them from start to end."""
